// The panel: state from the kernel, messages to the kernel, and a notice if the kernel does not answer.

const SILENCE = 4000;
const HERE = 30000;

const LIVE = { live: "live", polling: "every 30 s", lost: "reconnecting …" };

function liveDot(header, list) {
  const word = list.state === "reloading" ? "reading …" : LIVE[header.live] || (list.read_at ? `as of ${list.read_at}` : "");
  return h(
    "span",
    { class: `lxi-live lxi-live-${header.live}`, title: header.live_text, role: "status" },
    h("span", { class: "lxi-dot", "aria-hidden": "true" }),
    word,
  );
}

class App {
  constructor(model, el) {
    this.model = model;
    this.view = Math.random().toString(36).slice(2);
    this.number = 0;
    this.unheard = new Map();
    this.hellos = 0;
    this.state = {};
    this.link = "new";
    this.images = new Map();
    this.known = new Map();
    this.links = new Map();
    this.senders = [];
    this.ui = { bulk: { asking: "", name: "", value: "", folder: "" }, upload: { open: false, way: "kernel", path: "", second: "", files: {}, problem: "", aliases: "", public: false } };
    this.root = document.createElement("div");
    this.root.className = "lxi";
    this.root.tabIndex = -1;
    this.row = 0;
    el.appendChild(this.root);
    this.hear = (content) => this.receive(content);
    model.on("msg:custom", this.hear);
    this.keys = keysStay(this.root);
    this.timers = [setInterval(() => this.look(), 500), setInterval(() => this.send("here"), HERE)];
    this.draw();
    this.hello();
  }

  // Makes the kernel answer, and moves this widget to the kernel's subshell, where a running cell does not block it.
  hello() {
    this.hellos += 1;
    this.helloAt = Date.now();
    this.send("hello");
  }

  send(type, content) {
    const number = ++this.number;
    if (type !== "here" && type !== "bye") this.unheard.set(number, Date.now());
    try {
      const sent = this.model.send({ type, view: this.view, number, ...content });
      if (sent && sent.catch) sent.catch(() => this.lost());
    } catch {
      this.lost();
    }
  }

  lost() {
    this.link = "lost";
    this.draw();
  }

  receive(content) {
    if (!content || typeof content.type !== "string") return;
    if (content.type === "heard") {
      // The kernel handles messages in order: an answer to one means that the earlier ones have arrived.
      for (const number of [...this.unheard.keys()]) if (number <= content.number) this.unheard.delete(number);
      if (this.link !== "ok") {
        // The first messages may be sent before JupyterLab has created its subshell; a few more move the panel there.
        if (this.link === "new") this.settling = [200, 500, 1000, 2000, 4000].map((ms) => setTimeout(() => this.send("here"), ms));
        this.link = "ok";
        this.hellos = 0;
        this.later();
      }
    } else if (content.type === "begin") {
      const sender = this.senders.find((s) => s.slot === content.slot && !s.stopped && s.job === undefined);
      if (sender) sender.begin(content).catch((error) => this.unreadable(sender, error));
    } else if (content.type === "got") {
      for (const sender of this.senders) if (sender.job === content.job) sender.got(content.have);
    } else if (content.type === "file-stop") {
      for (const sender of this.senders) if (sender.job === content.job) sender.stop();
    } else if (content.type === "part") {
      this.state[content.part] = content.value;
      if (content.part === "upload" && content.value.state !== "receiving") this.stopSending();
      if (content.part === "detail") this.detailCame(content.value);
      this.later();
    }
  }

  // Several parts arrive together and are drawn once.
  later() {
    if (this.frame) return;
    this.frame = setTimeout(() => {
      this.frame = 0;
      this.draw();
    }, 0);
  }

  look() {
    const oldest = Math.min(...this.unheard.values());
    const unanswered = this.unheard.size > 0 && Date.now() - oldest > SILENCE;
    const silent = unanswered || this.senders.some((sender) => sender.stalled(SILENCE));
    if (silent && this.link !== "lost" && this.link !== "busy") {
      this.link = "busy";
      this.draw();
    }
    // All of them are answered when a long cell ends, so they become rarer: the answers must not come in thousands.
    const patience = Math.min(1000 * 2 ** Math.max(0, this.hellos - 8), HERE);
    if (this.link !== "ok" && this.link !== "lost" && Date.now() - this.helloAt > patience) this.hello();
  }

  // Files on this computer

  sendFiles() {
    const { files } = this.ui.upload;
    const chosen = ["image", "second"].filter((slot) => files[slot]);
    this.ui.upload.problem = files.image ? "" : "Choose a file first.";
    if (files.image) {
      this.stopSending();
      this.senders = chosen.map((slot) => new Sender(this, slot, files[slot], chosen.length));
    }
    this.draw();
  }

  sending() {
    return this.senders.some((s) => !s.stopped);
  }

  stopSending() {
    for (const sender of this.senders) sender.stop();
    this.senders = [];
  }

  chooseAgain() {
    this.ui.upload.way = "browser";
    this.ui.upload.files = {};
    this.state.upload = { state: "empty" };
    this.draw();
  }

  unreadable(sender, error) {
    sender.stop();
    this.ui.upload.problem = `The file cannot be read: ${error.message || error}`;
    if (sender.job !== undefined) this.send("cancel", { job: sender.job });
    this.draw();
  }

  // What the user is doing, for each image

  imageState(key) {
    if (!this.images.has(key)) this.images.set(key, {});
    return this.images.get(key);
  }

  ids(name) {
    if (!this.known.has(name)) this.known.set(name, { label: nextId("label"), text: nextId("text"), input: nextId("input") });
    return this.known.get(name);
  }

  detailCame(image) {
    if (!image) {
      // It was closed, or is gone. If the focus was in it, it goes to the list.
      const had = focused(this.root);
      if (had && had.closest(".lxi-detail")) this.afterDraw = () => this.focus('tbody .lxi-name[tabindex="0"]', ".lxi-search", ".lxi-do-upload");
      return;
    }
    if (!image.busy) this.imageState(image.key).pending = "";
    if (this.opening && this.opening === image.key) {
      this.opening = "";
      this.afterDraw = () => {
        const title = this.root.querySelector(".lxi-detail .lxi-title");
        if (title && this.entering) title.focus();
        if (title) title.scrollIntoView({ block: "nearest" });
      };
    }
  }

  atRow(at) {
    if (this.row === at) return;
    this.row = at;
    // At once, because the next key may be Tab; but not while a drawing moves the focus itself.
    if (this.drawing) this.later();
    else this.draw();
  }

  // The tabindex of a row: Tab stops at one row of the table.
  stop(at, list) {
    return at === Math.min(this.row, list.rows.length - 1) ? "0" : "-1";
  }

  // Focuses the first of these elements that is there.
  focus(...selectors) {
    const found = selectors.map((s) => this.root.querySelector(s)).find(Boolean);
    if (found) found.focus();
  }

  search(query) {
    clearTimeout(this.searching);
    this.searching = setTimeout(() => this.send("search", { query }), 120);
  }

  // Completes a path on the kernel's disk while the user types.
  complete(path) {
    clearTimeout(this.completing);
    this.completing = setTimeout(() => this.send("complete", { path }), 100);
  }

  clearSearch() {
    this.send("chips", { chips: [] });
    this.send("search", { query: "" });
    const input = this.root.querySelector(".lxi-search");
    if (input) {
      input.value = "";
      input.focus();
    }
  }

  // If an image is opened by keyboard, the focus goes to its detail; Escape leads back.
  open(key, byKeyboard) {
    this.opening = key;
    this.entering = byKeyboard;
    this.send("open", { key });
  }

  shut() {
    const key = this.state.detail && this.state.detail.key;
    this.send("shut");
    const row = [...this.root.querySelectorAll("tr[data-key]")].find((tr) => tr.dataset.key === key);
    if (row && focused(this.root)) row.querySelector(".lxi-name").focus();
  }

  openUpload() {
    this.ui.upload.open = true;
    this.draw();
    this.focus(".lxi-upload input");
  }

  closeUpload() {
    this.ui.upload.open = false;
    const state = this.state.upload && this.state.upload.state;
    if (state !== "uploading" && state !== "checking" && state !== "receiving") this.send("unload");
    this.draw();
    this.focus(".lxi-do-upload");
  }

  draw() {
    this.drawing = true;
    keepingFocus(this.root, () => patch(this.root, [this.whole()]));
    this.drawing = false;
    const after = this.afterDraw;
    this.afterDraw = null;
    if (after) after();
  }

  whole() {
    const header = this.state.header;
    if (!header) return h("div", { class: "lxi-panel" }, this.banner(), this.link === "new" && waiting("Waiting for the kernel …"));
    const browser = header.kind !== "image";
    return h(
      "div",
      { class: `lxi-panel lxi-kind-${header.kind}` },
      this.header(header),
      this.banner(),
      header.distrust && h("div", { class: "lxi-message lxi-warn", role: "note", key: "distrust", dir: "auto" }, header.distrust),
      (this.state.notices || []).map((n) => h("div", { key: `notice-${n.number}` }, message(n.text, n.good, () => this.send("dismiss", { notice: n.number })))),
      browser && uploadPart(this),
      h(
        "div",
        { class: `lxi-body ${this.state.detail ? "lxi-two" : ""}` },
        browser && h("div", { class: "lxi-left" }, listPart(this), transfersPart(this)),
        detailPart(this),
        header.kind === "image" && !this.state.detail && h("div", { class: "lxi-empty" }, "The image is gone."),
      ),
      !browser && transfersPart(this),
    );
  }

  banner() {
    if (this.link === "lost") {
      return h("div", { class: "lxi-message lxi-bad", role: "alert" }, "This panel has lost its kernel: it was restarted or shut down. Run the cell again to go on.");
    }
    if (this.link !== "busy") return null;
    const text = this.state.header
      ? "The kernel has not answered for some seconds: it is busy with a cell, or gone. What was clicked is done as soon as it answers."
      : "The kernel does not answer: it is busy with a cell, or this panel belongs to a kernel that is gone. Then run the cell again.";
    return h("div", { class: "lxi-message lxi-warn", role: "status" }, text);
  }

  header(header) {
    const browser = header.kind !== "image";
    const list = this.state.list || {};
    const projects = this.state.projects || [];
    return h(
      "div",
      { class: "lxi-header" },
      h("span", { class: "lxi-product" }, header.product),
      h("span", { class: "lxi-address", title: header.address }, header.address),
      header.project &&
        h(
          "span",
          { class: "lxi-row" },
          "project",
          browser && projects.length > 1
            ? h(
                "select",
                { class: "lxi-select", "aria-label": "Project", value: header.project, onChange: (event) => this.send("project", { project: event.target.value }) },
                projects.map((name) => h("option", { value: name, key: name }, name)),
              )
            : h("strong", {}, header.project),
          header.images_of && h("span", { class: "lxi-hint" }, `shows the images of ${header.images_of}`),
        ),
      header.kind !== "fleet" && !header.catalogue &&
        h("span", { class: `lxi-badge ${header.trusted ? "lxi-is-trusted" : "lxi-is-untrusted"}` }, header.trusted ? "trusted" : "not trusted"),
      header.catalogue && h("span", { class: "lxi-badge" }, "read-only"),
      h("span", { class: "lxi-space" }),
      liveDot(header, list),
      browser && button("Reload", () => this.send("reload"), { title: "Read the list again" }),
      header.uploads &&
        button("Upload …", () => (this.ui.upload.open ? this.closeUpload() : this.openUpload()), {
          class: "lxi-button lxi-primary lxi-do-upload", "aria-expanded": this.ui.upload.open ? "true" : "false",
        }),
    );
  }

  end() {
    for (const timer of this.timers) clearInterval(timer);
    clearTimeout(this.searching);
    clearTimeout(this.completing);
    for (const timer of this.settling || []) clearTimeout(timer);
    this.stopSending();
    this.keys();
    this.model.off("msg:custom", this.hear);
    this.send("bye");
    this.root.remove();
  }
}

export default {
  render({ model, el }) {
    const app = new App(model, el);
    return () => app.end();
  },
};

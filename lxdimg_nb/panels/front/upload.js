// The upload form: a file on the kernel's machine or on this computer is checked, shown, then uploaded.

function uploadPart(app) {
  const ui = app.ui.upload;
  if (!ui.open) return null;
  const upload = app.state.upload || { state: "empty" };
  const form =
    upload.state === "receiving" ? receivingForm(app, upload)
    : upload.state === "checking" || upload.state === "uploading" ? atWork(app, upload)
    : upload.state === "checked" ? checkedForm(app, ui, upload)
    : chooseForm(app, ui);
  return h(
    "section",
    {
      class: "lxi-upload", "aria-label": "Upload an image", key: "upload",
      onKeydown: onEscape(() => app.closeUpload()),
    },
    h(
      "div",
      { class: "lxi-detail-head" },
      h("h3", { class: "lxi-title" }, "Upload an image"),
      h("button", { type: "button", class: "lxi-icon", "aria-label": "Close upload", title: "Close", onClick: () => app.closeUpload() }, "×"),
    ),
    upload.state === "done" && message(upload.text, true),
    upload.state === "refused" && message(upload.text, false),
    form,
  );
}

function chooseForm(app, ui) {
  const way = (name, label) =>
    h(
      "label",
      { class: "lxi-check", key: name },
      h("input", {
        type: "radio", name: app.ids("way").input, checked: ui.way === name,
        onChange: () => {
          ui.way = name;
          app.draw();
        },
      }),
      label,
    );
  return h(
    "form",
    {
      class: "lxi-form", key: "choose",
      onSubmit: (event) => {
        event.preventDefault();
        if (ui.way === "kernel") app.send("check", { path: ui.path, second: ui.second });
        else app.sendFiles();
      },
    },
    h("div", { class: "lxi-row lxi-ways", role: "radiogroup", "aria-label": "Where the file is" }, way("kernel", "A file on the kernel's machine"), way("browser", "A file on this computer")),
    ui.way === "kernel" ? paths(app, ui) : pickers(app, ui),
    ui.problem && message(ui.problem, false),
    h(
      "div",
      { class: "lxi-row" },
      h("button", { type: "submit", class: "lxi-button lxi-primary" }, ui.way === "kernel" ? "Check" : "Send and check"),
      button("Close", () => app.closeUpload()),
      h(
        "span",
        { class: "lxi-hint" },
        ui.way === "kernel" ? "Nothing goes to the server yet: the file is read and checked first." : "The file goes to the kernel's machine first and is checked there. It is sent to the server only when you say so.",
      ),
    ),
  );
}

function paths(app, ui) {
  const known = app.ids("paths").input;
  const typed = (name) => (event) => {
    ui[name] = event.target.value;
    app.complete(ui[name]);
  };
  const offered = (app.state.paths || {}).found || [];
  return [
    field({
      id: app.ids("path").input, label: "Image file on the kernel's machine", value: ui.path, placeholder: "/path/to/image.tar.xz",
      onInput: typed("path"), focus: true, list: known,
    }),
    field({
      id: app.ids("second").input, label: "Second file of a split image", value: ui.second, placeholder: "only if it comes in two files",
      hint: "Metadata and root file system in any order; their content tells which is which.", list: known,
      onInput: typed("second"),
    }),
    h("datalist", { key: "paths", ref: (n) => (n.id = known) }, offered.map((path) => h("option", { key: path, value: path }))),
  ];
}

function pickers(app, ui) {
  const picker = (slot, label, hint) =>
    h(
      "div",
      { class: "lxi-field", key: `picker-${slot}` },
      h("label", { class: "lxi-label", for: app.ids(`file-${slot}`).input }, label),
      h("input", {
        type: "file", class: "lxi-file", "data-name": `file-${slot}`, ref: (n) => (n.id = app.ids(`file-${slot}`).input),
        onChange: (event) => {
          ui.files[slot] = event.target.files[0] || null;
          ui.problem = "";
          app.draw();
        },
      }),
      hint && h("div", { class: "lxi-hint" }, hint),
    );
  return [
    picker("image", "Image, or root file system of a split image"),
    picker("second", "Metadata of a split image", "Only if the image comes in two files, in any order; their content tells which is which."),
  ];
}

function jobOf(app, number) {
  return (app.state.transfers || []).find((t) => t.job === number);
}

function receivingForm(app, upload) {
  return h(
    "div",
    { class: "lxi-form", key: "receiving" },
    upload.jobs.map((number) => {
      const job = jobOf(app, number);
      return [h("p", { dir: "auto" }, job ? job.title : "Receiving"), bar(job ? job.fraction : null, "Received"), h("span", { class: "lxi-hint" }, job ? job.text : "")];
    }),
    !app.sending() && h("p", { class: "lxi-hint" }, "This page does not send it: it was reloaded, or another window sends it. Choose the same file again to go on where it stopped."),
    h("div", { class: "lxi-row" }, !app.sending() && button("Choose the file again", () => app.chooseAgain()), button("Cancel", () => app.send("unload"))),
  );
}

function checkedForm(app, ui, upload) {
  return h(
    "form",
    {
      class: "lxi-form", key: "checked",
      onSubmit: (event) => {
        event.preventDefault();
        if (upload.ok) app.send("upload", { aliases: ui.aliases, public: ui.public });
      },
    },
    upload.problems.map((p) => message(p, false)),
    facts(upload.facts),
    upload.notes.map((n) => h("p", { class: "lxi-hint" }, n)),
    upload.ok &&
      field({
        id: app.ids("aliases").input, label: "Aliases", value: ui.aliases, placeholder: "web web/2026-11",
        hint: "Separated by spaces; may be left empty.", onInput: (event) => (ui.aliases = event.target.value),
      }),
    upload.ok &&
      check({
        label: "Public", checked: ui.public, hint: " – visible without authentication to everyone who reaches the server",
        onChange: (on) => {
          ui.public = on;
          app.draw();
        },
      }),
    h(
      "div",
      { class: "lxi-row" },
      upload.ok && h("button", { type: "submit", class: "lxi-button lxi-primary", ref: take }, ui.public ? "Upload as public image" : "Upload"),
      button("Choose another file", () => app.send("unload")),
    ),
  );
}

function atWork(app, upload) {
  const job = jobOf(app, upload.job);
  const word = upload.state === "checking" ? "Checking the file" : `Uploading ${upload.name}`;
  return h(
    "div",
    { class: "lxi-form", key: "work" },
    h("p", { dir: "auto" }, word),
    bar(job ? job.fraction : null, word),
    h("div", { class: "lxi-row" }, h("span", { class: "lxi-hint lxi-grow" }, job ? job.text : ""), button("Cancel", () => app.send("cancel", { job: upload.job }))),
  );
}

// One view of a panel: it joins the store, the messages, the keyboard and what is drawn, and does what is clicked.

import { h, render } from "preact";
import { Panel } from "./components/panel.jsx";
import { servedAt } from "./jupyter_server.js";
import { focused, keepingFocus, keysStay } from "./keyboard.js";
import { Channel } from "./messages.js";
import { Outbox } from "./outbox.js";
import { pageOf, Store } from "./store.js";

/** @import { Detail, Parts, ToKernel } from "./message_types" */
/** @import { Model } from "./messages.js" */

const SEARCH_MS = 120;
const COMPLETE_MS = 100;

export class App {
  /** A name of this view alone. */
  view = Math.random().toString(36).slice(2);
  store = new Store();
  #frame = 0;
  #searching = 0;
  #completing = 0;
  #drawing = false;
  /** The key of the image that was asked for, and whether its detail gets the focus. */
  #opening = { key: "", entering: false };
  /** Done once the panel was drawn. @type {(() => void) | undefined} */
  #afterDraw;

  /**
   * @param {Model} model
   * @param {HTMLElement} el
   * @param {Set<App>} views the views of the same panel; each of them hears everything
   */
  constructor(model, el, views) {
    this.views = views;
    this.root = document.createElement("div");
    this.root.className = "lxi";
    this.root.tabIndex = -1;
    el.appendChild(this.root);
    this.store.subscribe(() => this.draw());
    this.channel = new Channel(
      model,
      this.view,
      {
        parts: ({ parts }) => this.#receive(parts),
        begin: (content) => this.outbox.begin(content),
        got: (content) => this.outbox.got(content),
        "file-stop": ({ job }) => this.outbox.stop(job),
      },
      (link) => this.store.set({ link }),
      (silence) => this.outbox.stalled(silence),
    );
    this.outbox = new Outbox(this.channel, this.store);
    this.endKeys = keysStay(this.root);
    const informed = [...views].find((other) => other.state.link === "ok" && other.parts.header);
    if (informed) this.store.set({ parts: informed.parts });
    else this.draw();
    views.add(this);
    this.channel.begin(Boolean(informed));
  }

  end() {
    this.views.delete(this);
    clearTimeout(this.#frame);
    clearTimeout(this.#searching);
    clearTimeout(this.#completing);
    this.outbox.stop();
    this.endKeys();
    this.channel.end();
    render(null, this.root);
    this.root.remove();
  }

  get state() {
    return this.store.state;
  }

  get parts() {
    return this.store.state.parts;
  }

  /**
   * An id of this view for an element; `name` is a word of ours, never data.
   * @param {string} name
   */
  id(name) {
    return `lxi-${this.view}-${name}`;
  }

  /**
   * @template {keyof ToKernel} K
   * @param {K} type
   * @param {ToKernel[K]} content
   */
  send(type, content) {
    this.channel.send(type, content);
  }

  // Drawing

  draw() {
    if (this.#drawing) {
      this.#frame ||= window.setTimeout(() => {
        this.#frame = 0;
        this.draw();
      });
      return;
    }
    this.#drawing = true;
    try {
      keepingFocus(this.root, () => render(<Panel app={this} />, this.root));
    } finally {
      this.#drawing = false;
    }
    const after = this.#afterDraw;
    this.#afterDraw = undefined;
    after?.();
  }

  /**
   * Focuses the first of these elements that is there.
   * @param {...string} selectors
   */
  focus(...selectors) {
    for (const selector of selectors) {
      const found = /** @type {HTMLElement | null} */ (this.root.querySelector(selector));
      if (found) {
        found.focus();
        return;
      }
    }
  }

  // What the kernel says

  /** @param {Parts} parts */
  #receive(parts) {
    if (parts.upload && parts.upload.state !== "receiving") this.outbox.stop();
    if (parts.detail !== undefined) this.#detailCame(parts.detail);
    this.store.receive(parts);
    if (parts.transfers) this.#findFiles(parts.transfers.flatMap((transfer) => transfer.files));
  }

  /** @param {Detail | null} image */
  #detailCame(image) {
    if (!image) {
      // It was closed, or is gone. If the focus was in it, it goes to the list.
      if (focused(this.root)?.closest(".lxi-detail")) {
        this.#afterDraw = () => this.focus('tbody .lxi-name[tabindex="0"]', ".lxi-search", ".lxi-do-upload");
      }
      return;
    }
    const { key, entering } = this.#opening;
    if (key !== image.key) return;
    this.#opening = { key: "", entering: false };
    this.#afterDraw = () => {
      const title = /** @type {HTMLElement | null} */ (this.root.querySelector(".lxi-detail .lxi-title"));
      if (entering) title?.focus({ preventScroll: true });
      const list = this.root.querySelector(".lxi-left")?.getBoundingClientRect();
      const below = list && title && title.getBoundingClientRect().top >= list.bottom;
      title?.scrollIntoView({ block: below ? "start" : "nearest" });
    };
  }

  /**
   * Finds which files of the kernel's machine the page's Jupyter server serves as well.
   * @param {{ path: string, size: number }[]} files
   */
  #findFiles(files) {
    for (const file of files) {
      if (this.state.links[file.path] !== undefined) continue;
      const keep = (/** @type {string | null} */ url) =>
        this.store.set({ links: { ...this.state.links, [file.path]: url } });
      keep(null);
      servedAt(file).then((url) => url && keep(url));
    }
  }

  // The list

  /**
   * Asks for another page or order; what comes is said to screen readers.
   * @template {"page" | "sort" | "chips" | "size"} K
   * @param {K} type
   * @param {ToKernel[K]} content
   */
  look(type, content) {
    this.store.set({ looking: true });
    this.send(type, content);
  }

  /** @param {string} query */
  search(query) {
    this.store.set({ query });
    clearTimeout(this.#searching);
    this.#searching = window.setTimeout(() => this.send("search", { query }), SEARCH_MS);
  }

  clearSearch() {
    clearTimeout(this.#searching);
    this.store.set({ query: "" });
    this.send("chips", { chips: [] });
    this.send("search", { query: "" });
    this.focus(".lxi-search");
  }

  /** @param {ToKernel["select"]} selection */
  select(selection) {
    this.store.select(selection);
    this.send("select", selection);
  }

  /** @param {ToKernel["size"]["size"]} size */
  resize(size) {
    this.store.setPage({ size });
    this.look("size", { size });
  }

  /** @param {string} project */
  switchProject(project) {
    const { header } = this.parts;
    if (header) this.store.set({ parts: { ...this.parts, header: { ...header, project } } });
    this.send("project", { project });
  }

  /**
   * Makes a row the one that Tab stops at.
   * @param {number} row
   */
  atRow(row) {
    if (this.state.row !== row) this.store.set({ row });
  }

  /**
   * The tabindex of a row: Tab stops at one row of the table.
   * @param {number} row
   */
  stop(row) {
    const rows = pageOf(this.parts)?.rows.length ?? 0;
    return row === Math.min(this.state.row, rows - 1) ? 0 : -1;
  }

  // One image

  /**
   * Opens an image. If that was done by keyboard, the focus goes to its detail; Escape leads back.
   * @param {string} key
   * @param {boolean} [byKeyboard]
   */
  open(key, byKeyboard = false) {
    this.#opening = { key, entering: byKeyboard };
    this.send("open", { key });
  }

  shut() {
    const key = this.parts.detail?.key;
    this.send("shut", {});
    const rows = /** @type {HTMLElement[]} */ ([...this.root.querySelectorAll("tr[data-key]")]);
    const row = rows.find((tr) => tr.dataset.key === key);
    if (row && focused(this.root)) /** @type {HTMLElement | null} */ (row.querySelector(".lxi-name"))?.focus();
  }

  // The upload

  openUpload() {
    this.store.setUpload({ open: true });
    this.focus(".lxi-upload input");
  }

  closeUpload() {
    const { upload } = this.parts;
    if (!upload || !["uploading", "checking", "receiving"].includes(upload.state)) this.send("unload", {});
    this.store.setUpload({ open: false });
    this.focus(".lxi-do-upload");
  }

  /** Offers to choose a file that another page began to send. */
  chooseAgain() {
    this.store.set({ parts: { ...this.parts, upload: { state: "empty" } } });
    this.store.setUpload({ way: "browser", files: {} });
  }

  /**
   * Completes a path on the kernel's disk while the user types.
   * @param {string} path
   */
  complete(path) {
    clearTimeout(this.#completing);
    this.#completing = window.setTimeout(() => this.send("complete", { path }), COMPLETE_MS);
  }
}

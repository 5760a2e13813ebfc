// The module that anywidget loads with each panel. It is small: it asks the kernel for the script and the style of
// panels, which a page needs once, however many panels it shows.

import { NO_ANSWER, NO_KERNEL, WAITING } from "./words.js";

/** @import { Model } from "./messages.js" */
/** @typedef {{ render: (context: { model: Model, el: HTMLElement }) => () => void }} Widget */
/** @typedef {{ default: () => Widget }} Panels the module of panels */

/**
 * Of a page: the module of panels once it is there, and when some panel asked for it.
 * @typedef {{ panels?: Panels, askedAt: number }} Page
 */

// Another script has another version, as after an update of the package in a page that stays open.
const PAGE = Symbol.for(`lxdimg_nb ${VERSION}`);
const LOOK = 100;
// Milliseconds between two questions: of one panel, which become rarer, and of different panels.
const FIRST = 1000;
const LAST = 30_000;
const OTHERS = 1000;

/** @returns {Page} */
function page() {
  const place = /** @type {Record<symbol, Page>} */ (/** @type {unknown} */ (globalThis));
  place[PAGE] ??= { askedAt: Number.NEGATIVE_INFINITY };
  return place[PAGE];
}

export default () => {
  /** @type {Widget | undefined} */
  let widget;
  return {
    /** @param {{ model: Model, el: HTMLElement, signal?: AbortSignal }} context */
    async render({ model, el, signal }) {
      const panels = page().panels ?? (await load(model, el, signal));
      if (!panels) return undefined;
      widget ??= panels.default();
      return widget.render({ model, el });
    },
  };
};

/**
 * Asks until the kernel, or that of another panel of the page, has sent them. Undefined if the view was removed.
 * @param {Model} model
 * @param {HTMLElement} el
 * @param {AbortSignal} [signal]
 * @returns {Promise<Panels | undefined>}
 */
async function load(model, el, signal) {
  const note = document.createElement("div");
  note.setAttribute("role", "status");
  note.textContent = WAITING;
  el.append(note);
  const here = page();
  /** @param {any} content @param {DataView[]} [buffers] */
  const receive = (content, buffers) => {
    if (content?.type === "bundle" && content.version === VERSION && buffers?.length === 2) {
      unpack(buffers).then((panels) => {
        here.panels ??= panels;
      });
    }
  };
  model.on("msg:custom", receive);
  const begun = Date.now();
  let asked = Number.NEGATIVE_INFINITY;
  let patience = FIRST;
  while (!here.panels && !signal?.aborted) {
    const now = Date.now();
    if (now - asked >= patience && now - here.askedAt >= OTHERS) {
      if (asked > 0) patience = Math.min(2 * patience, LAST);
      asked = now;
      here.askedAt = now;
      try {
        await model.send({ type: "load" });
      } catch {
        note.textContent = NO_KERNEL;
      }
    }
    if (now - begun > 4000 && note.textContent === WAITING) note.textContent = NO_ANSWER;
    await new Promise((resolve) => setTimeout(resolve, LOOK));
  }
  model.off("msg:custom", receive);
  note.remove();
  return here.panels;
}

/**
 * @param {DataView[]} buffers the script and the style, compressed
 * @returns {Promise<Panels>}
 */
async function unpack(buffers) {
  const [script = "", style = ""] = await Promise.all(buffers.map(text));
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const panels = await import(url);
  URL.revokeObjectURL(url);
  if (!page().panels) document.head.append(Object.assign(document.createElement("style"), { textContent: style }));
  return panels;
}

/** @param {DataView} buffer */
function text(buffer) {
  const bytes = new Blob([/** @type {DataView<ArrayBuffer>} */ (buffer)]).stream();
  return new Response(bytes.pipeThrough(new DecompressionStream("gzip"))).text();
}

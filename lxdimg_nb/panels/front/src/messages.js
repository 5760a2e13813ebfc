// The messages between a view and its kernel. Nothing else touches the comm. Their shapes are in messages.json.

/** @import { FromKernel, ToKernel } from "./message_types" */
/** @import { Link } from "./store.js" */

/**
 * The part of anywidget's model that is used.
 * @typedef {object} Model
 * @property {(content: object, callbacks?: undefined, buffers?: ArrayBuffer[]) => unknown} send
 * @property {(event: "msg:custom", callback: (content: any) => void) => void} on
 * @property {(event: "msg:custom", callback: (content: any) => void) => void} off
 */

/**
 * What to do with each message of the kernel. Acknowledgements stay in the channel.
 * @typedef {{ [K in Exclude<keyof FromKernel, "heard" | "bundle">]: (content: FromKernel[K]) => void }} Receivers
 */

// After so many milliseconds without an answer the panel says so.
const SILENCE = 4000;
// A view says that it is still there.
const HERE = 30_000;
// Browsers slow the timers of hidden pages down to one a minute. After a longer pause the computer has slept.
const SLEPT = 90_000;

export class Channel {
  #number = 0;
  /** When each message was sent that has not been answered. @type {Map<number, number>} */
  #unheard = new Map();
  /** How many messages with parts have come; not known before the first answer. @type {number | undefined} */
  #told;
  #hellos = 0;
  #helloAt = 0;
  #lookedAt = Date.now();
  /** @type {Link} */
  #link = "new";
  /** @type {ReturnType<typeof setTimeout>[]} */
  #settling = [];
  /** @type {ReturnType<typeof setInterval>[]} */
  #timers = [];

  /**
   * @param {Model} model
   * @param {string} view a name of this view alone
   * @param {Receivers} receivers
   * @param {(link: Link) => void} linked called when the kernel begins or ceases to answer
   * @param {(silence: number) => boolean} stalled whether pieces of a file wait longer than that for their answer
   */
  constructor(model, view, receivers, linked, stalled) {
    this.model = model;
    this.view = view;
    this.receivers = receivers;
    this.linked = linked;
    this.stalled = stalled;
  }

  /**
   * Makes the kernel answer, and moves this widget to the kernel's subshell, where a running cell does not block it.
   * @param {boolean} informed whether the view has every part already
   */
  begin(informed) {
    this.model.on("msg:custom", this.#receive);
    this.#timers = [setInterval(() => this.#look(), 500), setInterval(() => this.send("here", {}), HERE)];
    if (informed) this.send("here", {});
    else this.#hello();
  }

  end() {
    for (const timer of this.#timers) clearInterval(timer);
    for (const timer of this.#settling) clearTimeout(timer);
    this.model.off("msg:custom", this.#receive);
    this.send("bye", {});
  }

  #hello() {
    this.#hellos += 1;
    this.#helloAt = Date.now();
    this.send("hello", {});
  }

  /**
   * @template {keyof ToKernel} K
   * @param {K} type
   * @param {ToKernel[K]} content
   */
  send(type, content) {
    const number = ++this.#number;
    if (type !== "here" && type !== "bye") this.#unheard.set(number, Date.now());
    this.#post({ type, view: this.view, number, ...content });
  }

  /**
   * Sends a piece of a file. It is answered by `got`.
   * @param {ToKernel["file-piece"]} content
   * @param {ArrayBuffer} piece
   */
  sendPiece(content, piece) {
    this.#post({ type: "file-piece", ...content }, [piece]);
  }

  /**
   * @param {object} message
   * @param {ArrayBuffer[]} [buffers]
   */
  async #post(message, buffers) {
    try {
      await this.model.send(message, undefined, buffers);
    } catch {
      this.#set("lost");
    }
  }

  /** @param {Link} link */
  #set(link) {
    if (link === this.#link) return;
    this.#link = link;
    this.linked(link);
  }

  #receive = (/** @type {any} */ content) => {
    if (!content || typeof content.type !== "string") return;
    const { type, ...rest } = content;
    if (type === "parts" && this.#told !== undefined) this.#told += 1;
    if (type === "heard") this.#heard(rest);
    else if (Object.hasOwn(this.receivers, type)) this.receivers[/** @type {keyof Receivers} */ (type)](rest);
  };

  /** @param {FromKernel["heard"]} content */
  #heard({ number, told }) {
    // The kernel handles messages in order: an answer to one means that the earlier ones have arrived.
    for (const earlier of [...this.#unheard.keys()]) if (earlier <= number) this.#unheard.delete(earlier);
    if (this.#link === "new") {
      // The first messages may be sent before JupyterLab has created its subshell; a few more move the panel there.
      this.#settling = [200, 500, 1000, 2000, 4000].map((ms) => setTimeout(() => this.send("here", {}), ms));
    }
    this.#hellos = 0;
    this.#set("ok");
    // Jupyter may lose what is said while a connection breaks off and comes back.
    const missed = this.#told !== undefined && this.#told !== told;
    this.#told = told;
    if (missed) this.#hello();
  }

  #look() {
    const now = Date.now();
    const slept = now - this.#lookedAt > SLEPT;
    this.#lookedAt = now;
    // What was said meanwhile may be lost, so the panel asks for all of it.
    if (slept) {
      this.#unheard.clear();
      this.#hello();
    }
    const unanswered = this.#unheard.size > 0 && now - Math.min(...this.#unheard.values()) > SILENCE;
    if ((unanswered || this.stalled(SILENCE)) && this.#link !== "lost") this.#set("busy");
    if (this.#link === "ok") return;
    // All of them are answered when a long cell ends, so they become rarer: the answers must not come in thousands.
    const patience = this.#link === "lost" ? HERE : Math.min(1000 * 2 ** Math.max(0, this.#hellos - 8), HERE);
    if (now - this.#helloAt > patience) this.#hello();
  }
}

// Sends a file from the browser to the kernel: in acknowledged pieces over the comm or, if our extension of the
// Jupyter server answers, in one request to it. Either way only slices of the file are in memory.

import { jupyterServer } from "./jupyter_server.js";

/** @import { Begin, Slot } from "./message_types" */
/** @import { Channel } from "./messages.js" */

const PROBE = 1 << 20;
// Pieces on the way over the comm delay every other message of the notebook. They can also silence a kernel: one
// that reaches the Jupyter server while the kernel restarts keeps the server's old socket alive, and if that socket
// connects to the new kernel after its successor, which has the same ZeroMQ identity, the kernel no longer hears the
// successor (zeromq/libzmq#2892). So only a quick line is given more than this many bytes at once.
const LEAST = 1 << 20;
const FREE_MS = 40;
const FULL_MS = 120;

/** @param {Blob} blob */
async function digest(blob) {
  const bytes = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
  return [...new Uint8Array(bytes)].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export class Sender {
  /** Of the kernel's transfer, once it has begun. @type {number | undefined} */
  job;
  stopped = false;
  #piece = 0;
  #window = 0;
  #offset = 0;
  #acked = 0;
  #restart = false;
  #filling = false;
  // How many bytes may be on the way, when that was judged last, and the quickest answer so far.
  #ahead = LEAST;
  #adaptedAt = 0;
  #quickest = Number.POSITIVE_INFINITY;
  /** @type {{ end: number, sentAt: number }[]} */
  #onTheWay = [];
  #heardAt = 0;
  /** @type {XMLHttpRequest | undefined} */
  #request;

  /**
   * @param {Channel} channel
   * @param {Slot} slot
   * @param {File} file
   * @param {number} count files of this image
   * @param {(sender: Sender, error: unknown) => void} failed called when the file cannot be read
   */
  constructor(channel, slot, file, count, failed) {
    this.channel = channel;
    this.slot = slot;
    this.file = file;
    this.failed = failed;
    channel.send("file-begin", { slot, name: file.name, size: file.size, modified: file.lastModified, count });
  }

  /**
   * Begins where the kernel says.
   * @param {Begin} content
   */
  async begin(content) {
    this.job = content.job;
    this.#piece = content.piece;
    this.#window = content.window;
    let from = content.have;
    let restart = false;
    if (from > 0) {
      // What is there from an earlier attempt is continued only if its end is the same.
      const end = this.file.slice(Math.max(0, from - PROBE), from);
      if (!window.crypto?.subtle || (await digest(end)) !== content.probe) {
        from = 0;
        restart = true;
      }
    }
    this.#offset = from;
    this.#acked = from;
    this.#adaptedAt = from;
    this.#heardAt = Date.now();
    if (!restart && (await this.#direct(content.place))) return;
    this.#restart = restart;
    this.#fill();
  }

  /**
   * The kernel has so many bytes.
   * @param {number} have
   */
  got(have) {
    this.#acked = have;
    this.#heardAt = Date.now();
    for (let piece = this.#onTheWay[0]; piece && piece.end <= have; piece = this.#onTheWay[0]) {
      this.#onTheWay.shift();
      this.#adapt(piece);
    }
    this.#fill();
  }

  /**
   * More ahead while that costs no time, less where pieces wait for each other; judged once a round trip.
   * @param {{ end: number, sentAt: number }} piece
   */
  #adapt({ end, sentAt }) {
    const took = this.#heardAt - sentAt;
    this.#quickest = Math.min(this.#quickest, took);
    if (end <= this.#adaptedAt) return;
    const waited = took - this.#quickest;
    if (waited < FREE_MS) this.#ahead = Math.min(2 * this.#ahead, this.#window * this.#piece);
    else if (waited > FULL_MS) this.#ahead = Math.max(this.#ahead / 2, LEAST);
    else return;
    this.#adaptedAt = this.#offset;
  }

  /**
   * Whether pieces are on their way and are not acknowledged for so many milliseconds.
   * @param {number} silence
   */
  stalled(silence) {
    return !this.stopped && this.#offset > this.#acked && Date.now() - this.#heardAt > silence;
  }

  async #fill() {
    if (this.#filling) return;
    this.#filling = true;
    try {
      while (!this.stopped && this.#offset < this.file.size && this.#offset - this.#acked < this.#ahead) {
        const offset = this.#offset;
        const part = await this.file.slice(offset, offset + Math.ceil(this.#ahead / this.#window)).arrayBuffer();
        if (this.stopped) return;
        const restart = this.#restart;
        this.#restart = false;
        if (this.#offset === this.#acked) this.#heardAt = Date.now();
        this.#offset += part.byteLength;
        this.#onTheWay.push({ end: this.#offset, sentAt: Date.now() });
        this.channel.sendPiece({ job: /** @type {number} */ (this.job), offset, restart }, part);
      }
    } catch (error) {
      this.failed(this, error);
    } finally {
      this.#filling = false;
    }
  }

  /**
   * Sends the file through the Jupyter server. False if that is not possible: then pieces go over the comm.
   * @param {string} place
   */
  async #direct(place) {
    const server = jupyterServer();
    if (!server) return false;
    const url = `${server.url}lxdimg/spool/${place}`;
    try {
      const answer = await fetch(url, { headers: server.headers, credentials: "same-origin" });
      if (!answer.ok || Number((await answer.json()).have) !== this.#offset) return false;
    } catch {
      return false;
    }
    const job = /** @type {number} */ (this.job);
    this.channel.send("file-direct", { job });
    const request = new XMLHttpRequest();
    this.#request = request;
    request.open("PUT", `${url}?offset=${this.#offset}`);
    for (const [name, value] of Object.entries(server.headers)) request.setRequestHeader(name, value);
    request.onloadend = () => {
      if (!this.stopped) this.channel.send("file-sent", { job, ok: request.status === 200 });
    };
    // Chromium reads a whole file in the process that sends it, which is twice as fast as with a part.
    request.send(this.#offset === 0 ? this.file : this.file.slice(this.#offset));
    return true;
  }

  stop() {
    this.stopped = true;
    this.#request?.abort();
  }
}

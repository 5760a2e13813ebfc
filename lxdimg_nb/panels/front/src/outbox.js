// The files that this page sends to the kernel.

import { Sender } from "./sender.js";

/** @import { Begin, Got } from "./message_types" */
/** @import { Channel } from "./messages.js" */
/** @import { Store } from "./store.js" */

const SLOTS = /** @type {const} */ (["image", "second"]);

export class Outbox {
  /** @type {Sender[]} */
  #senders = [];

  /**
   * @param {Channel} channel
   * @param {Store} store
   */
  constructor(channel, store) {
    this.channel = channel;
    this.store = store;
  }

  /** Sends the files that were chosen. */
  send() {
    const { files } = this.store.state.upload;
    this.store.setUpload({ problem: files.image ? "" : "Choose a file first." });
    if (!files.image) return;
    this.stop();
    const chosen = SLOTS.flatMap((slot) => {
      const file = files[slot];
      return file ? [{ slot, file }] : [];
    });
    this.#senders = chosen.map(
      ({ slot, file }) =>
        new Sender(this.channel, slot, file, chosen.length, (sender, error) => this.#unreadable(sender, error)),
    );
    this.store.set({ sending: true });
  }

  /** @param {Begin} content */
  begin(content) {
    const sender = this.#senders.find((s) => s.slot === content.slot && !s.stopped && s.job === undefined);
    sender?.begin(content).catch((error) => this.#unreadable(sender, error));
  }

  /** @param {Got} content */
  got({ job, have }) {
    for (const sender of this.#senders) if (sender.job === job) sender.got(have);
  }

  /**
   * Stops sending one file, or all of them.
   * @param {number} [job]
   */
  stop(job) {
    for (const sender of this.#senders) if (job === undefined || sender.job === job) sender.stop();
    this.#senders = this.#senders.filter((sender) => !sender.stopped);
    const sending = this.#senders.length > 0;
    if (this.store.state.sending !== sending) this.store.set({ sending });
  }

  /** @param {number} silence in milliseconds */
  stalled(silence) {
    return this.#senders.some((sender) => sender.stalled(silence));
  }

  /**
   * @param {Sender} sender
   * @param {unknown} error
   */
  #unreadable(sender, error) {
    const { job } = sender;
    sender.stop();
    this.stop(job ?? -1);
    this.store.setUpload({ problem: `The file cannot be read: ${error instanceof Error ? error.message : error}` });
    if (job !== undefined) this.channel.send("cancel", { job });
  }
}

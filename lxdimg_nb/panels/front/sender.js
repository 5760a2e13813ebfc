// Sends a file from the browser to the kernel: in acknowledged pieces over the comm or, if our extension of the
// Jupyter server answers, in one request to it. Either way only slices of the file are in memory.

const PROBE = 1 << 20;
// Pieces on the way over the comm delay every other message of the notebook. They can also silence a kernel: one
// that reaches the Jupyter server while the kernel restarts keeps the server's old socket alive, and if that socket
// connects to the new kernel after its successor, which has the same ZeroMQ identity, the kernel no longer hears the
// successor (zeromq/libzmq#2892). So only a quick line is given more than this many bytes at once.
const LEAST = 1 << 20;
const FREE_MS = 40;
const FULL_MS = 120;

async function digest(blob) {
  const bytes = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
  return [...new Uint8Array(bytes)].map((b) => b.toString(16).padStart(2, "0")).join("");
}

class Sender {
  constructor(app, slot, file, count) {
    this.app = app;
    this.slot = slot;
    this.file = file;
    this.stopped = false;
    app.send("file-begin", { slot, name: file.name, size: file.size, modified: file.lastModified, count });
  }

  // Begins where the kernel says.
  async begin(content) {
    this.job = content.job;
    this.piece = content.piece;
    this.window = content.window;
    let from = content.have;
    let restart = false;
    if (from > 0) {
      // What is there from an earlier attempt is continued only if its end is the same.
      const same = window.crypto && crypto.subtle && (await digest(this.file.slice(Math.max(0, from - PROBE), from))) === content.probe;
      if (!same) {
        from = 0;
        restart = true;
      }
    }
    this.offset = from;
    this.acked = from;
    this.ahead = LEAST;
    this.adaptedAt = from;
    this.quickest = Infinity;
    this.onTheWay = [];
    this.heardAt = Date.now();
    if (!restart && (await this.direct(content.place))) return;
    this.restart = restart;
    this.fill();
  }

  got(have) {
    this.acked = have;
    this.heardAt = Date.now();
    while (this.onTheWay.length && this.onTheWay[0].end <= have) this.adapt(this.onTheWay.shift());
    this.fill();
  }

  // More ahead while that costs no time, less where pieces wait for each other; judged once a round trip.
  adapt({ end, sentAt }) {
    const took = this.heardAt - sentAt;
    this.quickest = Math.min(this.quickest, took);
    if (end <= this.adaptedAt) return;
    const waited = took - this.quickest;
    if (waited < FREE_MS) this.ahead = Math.min(2 * this.ahead, this.window * this.piece);
    else if (waited > FULL_MS) this.ahead = Math.max(this.ahead / 2, LEAST);
    else return;
    this.adaptedAt = this.offset;
  }

  // Whether pieces are on their way and are not acknowledged.
  stalled(silence) {
    return !this.stopped && this.offset > this.acked && Date.now() - this.heardAt > silence;
  }

  async fill() {
    if (this.filling) return;
    this.filling = true;
    try {
      while (!this.stopped && this.offset < this.file.size && this.offset - this.acked < this.ahead) {
        const offset = this.offset;
        const part = await this.file.slice(offset, offset + Math.ceil(this.ahead / this.window)).arrayBuffer();
        if (this.stopped) return;
        const restart = this.restart === true;
        this.restart = false;
        if (this.offset === this.acked) this.heardAt = Date.now();
        this.offset += part.byteLength;
        this.onTheWay.push({ end: this.offset, sentAt: Date.now() });
        const sent = this.app.model.send({ type: "file-piece", job: this.job, offset, restart }, undefined, [part]);
        if (sent && sent.catch) sent.catch(() => this.app.lost());
      }
    } catch (error) {
      this.app.unreadable(this, error);
    } finally {
      this.filling = false;
    }
  }

  // Sends the file through the Jupyter server. False if that is not possible: then pieces go over the comm.
  async direct(place) {
    const base = jupyterServer();
    if (!base) return false;
    const url = `${base.url}lxdimg/spool/${place}`;
    try {
      const answer = await fetch(url, { headers: base.headers, credentials: "same-origin" });
      if (!answer.ok || Number((await answer.json()).have) !== this.offset) return false;
    } catch {
      return false;
    }
    this.app.send("file-direct", { job: this.job });
    const request = new XMLHttpRequest();
    this.request = request;
    request.open("PUT", `${url}?offset=${this.offset}`);
    for (const [name, value] of Object.entries(base.headers)) request.setRequestHeader(name, value);
    request.onloadend = () => {
      if (!this.stopped) this.app.send("file-sent", { job: this.job, ok: request.status === 200 });
    };
    // Chromium reads a whole file in the process that sends it, which is twice as fast as with a part.
    request.send(this.offset === 0 ? this.file : this.file.slice(this.offset));
    return true;
  }

  stop() {
    this.stopped = true;
    if (this.request) this.request.abort();
  }
}

// The address of this page's Jupyter server and the headers it needs; null in front ends without one.
function jupyterServer() {
  const element = document.getElementById("jupyter-config-data");
  if (!element) return null;
  try {
    const config = JSON.parse(element.textContent);
    if (!config.baseUrl) return null;
    const headers = {};
    const xsrf = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
    if (xsrf) headers["X-XSRFToken"] = decodeURIComponent(xsrf[1]);
    if (config.token) headers.Authorization = `token ${config.token}`;
    return { url: new URL(config.baseUrl, location.href).href, headers, root: rootOf(config) };
  } catch {
    return null;
  }
}

// The folder that the Jupyter server serves, if it says so.
function rootOf(config) {
  const uri = config.rootUri || "";
  const root = uri.startsWith("file:///") ? decodeURIComponent(uri.slice(7)) : config.serverRoot || "";
  return root.startsWith("/") ? root.replace(/\/+$/, "") : "";
}

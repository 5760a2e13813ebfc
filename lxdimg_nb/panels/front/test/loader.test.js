// What is sent with each panel: it asks for the script and the style once a page.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

const VERSION = "0123456789ab";
const MODULE = "export default () => ({ render({ el }) { el.append('shown'); return () => el.replaceChildren(); } })";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  vi.stubGlobal("VERSION", VERSION);
  // Node imports no blobs.
  vi.spyOn(URL, "createObjectURL").mockReturnValue(`data:text/javascript,${encodeURIComponent(MODULE)}`);
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.resetModules();
  delete (/** @type {any} */ (globalThis)[Symbol.for(`lxdimg_nb ${VERSION}`)]);
  document.head.replaceChildren();
});

/** @param {string} text */
async function packed(text) {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new DataView(await new Response(stream).arrayBuffer());
}

class Model {
  asked = 0;
  open = true;
  /** @type {Set<(content: any, buffers?: DataView[]) => void>} */
  listeners = new Set();

  async send() {
    if (!this.open) throw new Error("Cannot send");
    this.asked += 1;
  }

  /** @param {string} _ @param {(content: any) => void} listener */
  on(_, listener) {
    this.listeners.add(listener);
  }

  /** @param {string} _ @param {(content: any) => void} listener */
  off(_, listener) {
    this.listeners.delete(listener);
  }

  async answer(version = VERSION) {
    const buffers = [await packed(MODULE), await packed(".lxi { color: red }")];
    for (const listener of this.listeners) listener({ type: "bundle", version }, buffers);
  }
}

/** A panel, as anywidget shows it. */
async function show(model = new Model(), signal = new AbortController().signal) {
  vi.resetModules();
  const { default: widget } = await import("../src/loader.js");
  const el = document.createElement("div");
  const done = widget().render({ model, el, signal });
  return { model, el, done };
}

/** @param {number} ms */
const pass = (ms) => vi.advanceTimersByTimeAsync(ms);

test("a page asks once, and the next panels need nothing", async () => {
  const one = await show();
  expect(one.el.textContent).toContain("Waiting for the kernel");
  await one.model.answer();
  await vi.waitFor(async () => {
    await pass(100);
    expect(one.el.textContent).toBe("shown");
  });

  const other = await show();
  await other.done;

  expect(other.el.textContent).toBe("shown");
  expect([one.model.asked, other.model.asked]).toEqual([1, 0]);
  expect(document.querySelectorAll("style").length).toBe(1);
  expect(one.model.listeners.size).toBe(0);
  (await one.done)?.();
  expect(one.el.textContent).toBe("");
});

test("two panels that come at once do not ask both, but one goes on where the other's kernel is silent", async () => {
  const silent = await show();
  const other = await show();
  await pass(500);
  expect([silent.model.asked, other.model.asked]).toEqual([1, 0]);
  await pass(1500);
  expect(other.model.asked).toBe(1);
  await other.model.answer();
  await vi.waitFor(async () => {
    await pass(100);
    expect([silent.el.textContent, other.el.textContent]).toEqual(["shown", "shown"]);
  });
});

test("a kernel that is busy is asked ever more rarely, and the page says so", async () => {
  const { model, el } = await show();

  await pass(5000);
  expect(el.textContent).toContain("The kernel does not answer");
  await pass(3_600_000);

  expect(model.asked).toBeLessThan(150);
});

test("a kernel that is gone is told of", async () => {
  const model = new Model();
  model.open = false;

  const { el } = await show(model);
  await pass(100);

  expect(el.textContent).toContain("has lost its kernel");
});

test("another version, and what is no bundle, is not taken", async () => {
  const { model, el } = await show();

  await model.answer("another");
  for (const listener of model.listeners) listener(null);
  for (const listener of model.listeners) listener({ type: "bundle", version: VERSION });
  await pass(1000);

  expect(el.textContent).toContain("Waiting");
});

test("a view that is removed meanwhile asks no more", async () => {
  const removed = new AbortController();
  const { model, done } = await show(new Model(), removed.signal);

  removed.abort();
  await pass(60_000);

  expect(await done).toBe(undefined);
  expect(model.asked).toBe(1);
  expect(model.listeners.size).toBe(0);
});

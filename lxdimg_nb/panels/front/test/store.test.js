// The store alone: what is shown after whatever order of clicks and answers.

import { expect, test, vi } from "vitest";
import { countOf, pageOf, Store } from "../src/store.js";
import { detail, keyOf, page, parts, result, row } from "./samples.js";

/** @param {Partial<import("../src/message_types").Page>} [change] */
function listing(change) {
  const store = new Store();
  store.receive(parts(0, { list: page(3, change) }));
  return store;
}

/** @param {Store} store */
const selected = (store) => store.page?.rows.filter((one) => one.selected).map(({ key }) => key);

test("a part that comes replaces that part alone, and twice is once", () => {
  const store = listing();
  const { header } = store.state.parts;

  store.receive({ detail: detail() });
  store.receive({ detail: detail() });

  expect(store.state.parts.detail).toEqual(detail());
  expect(store.state.parts.header).toBe(header);
  expect(store.page?.rows.length).toBe(3);
});

test("listeners are told after each change, with the state as it is then", () => {
  const store = new Store();
  /** @type {string[]} */
  const seen = [];
  store.subscribe(() => seen.push(store.state.link));

  store.set({ link: "busy" });
  store.set({ link: "ok" });

  expect(seen).toEqual(["busy", "ok"]);
});

test("there is no page of a list that is read or has failed", () => {
  for (const state of /** @type {const} */ (["new", "loading", "failed"])) {
    expect(pageOf({ list: { state } })).toBe(undefined);
    const store = new Store();
    store.receive({ list: { state } });
    store.select({ what: "found", on: true });
    store.setPage({ size: 50 });
    expect(store.state.parts.list).toEqual({ state });
  }
  expect(pageOf({})).toBe(undefined);
});

test("a selection counts what is on other pages", () => {
  const store = listing({ selected: 7, total: 100_000, matching: 40 });

  store.select({ keys: [keyOf(1), keyOf(99)], on: true });
  expect([selected(store), store.page?.selected]).toEqual([[keyOf(1)], 8]);
  store.select({ keys: [keyOf(1)], on: true });
  expect(store.page?.selected).toBe(8);
  store.select({ what: "page", on: true });
  expect(store.page?.selected).toBe(10);
  store.select({ what: "page", on: false });
  expect(store.page?.selected).toBe(7);
  store.select({ what: "found", on: true });
  expect(store.page?.selected).toBe(40);
  store.select({ what: "found", on: false });

  expect([selected(store), store.page?.selected]).toEqual([[], 0]);
});

test("a row that is selected by the kernel is, whatever was clicked before", () => {
  const store = listing();

  store.select({ keys: [keyOf(1)], on: true });
  store.receive({ list: page(3, { rows: [row(1), row(2, { selected: true }), row(3)], selected: 1 }) });

  expect([selected(store), store.page?.selected]).toEqual([[keyOf(2)], 1]);
});

test("a query stays until its own answer comes, however late and however often", () => {
  const store = listing();

  store.set({ query: "web" });
  store.receive({ list: page(3, { query: "w" }) });
  expect(store.state.query).toBe("web");
  store.receive({ list: page(1, { query: "web" }) });
  expect(store.state.query).toBe(null);
  store.receive({ list: page(3, { query: "w" }) });

  expect(store.state.query).toBe(null);
});

test("a switch is pending until the write of its own image has ended", () => {
  const store = listing();
  const other = detail({ key: keyOf(2) });

  store.setImage(keyOf(1), { pending: "public" });
  store.receive({ detail: other });
  store.receive({ detail: detail({ busy: true }) });
  expect(store.image(keyOf(1)).pending).toBe("public");
  store.receive({ detail: detail({ result: result() }) });

  expect(store.image(keyOf(1)).pending).toBe("");
});

test("what is done with one image is kept while another is open", () => {
  const store = listing();

  store.setImage(keyOf(1), { folder: "/srv" });
  store.setImage(keyOf(2), { folder: "/tmp" });
  store.setImage(keyOf(1), { doing: "export" });

  expect(store.image(keyOf(1))).toMatchObject({ folder: "/srv", doing: "export" });
  expect(store.image(keyOf(3))).toMatchObject({ folder: null, doing: "" });
});

test("keys that are names of JavaScript's are keys", () => {
  const store = listing();

  store.setImage("constructor", { doing: "copy" });

  expect(store.image("constructor").doing).toBe("copy");
  expect(store.image("toString").doing).toBe("");
  expect(store.image("__proto__").doing).toBe("");
});

test("a thousand clicks on a page of a hundred thousand images are a thousand drawings", () => {
  const rows = Array.from({ length: 100 }, (_, n) => row(n));
  const store = listing({ rows, total: 100_000, matching: 100_000 });
  const drawn = vi.fn();
  store.subscribe(drawn);

  for (let n = 0; n < 1000; n++) store.select({ keys: [keyOf(n % 100)], on: n % 200 < 100 });

  expect(drawn).toHaveBeenCalledTimes(1000);
  expect(store.page?.rows.length).toBe(100);
});

test.each([
  [1, 1, "1 image"],
  [0, 0, "0 images"],
  [100_000, 100_000, "100,000 images"],
  [1, 100_000, "1 of 100,000 images"],
])("%d of %d is said as '%s'", (matching, total, words) => {
  expect(countOf(page(0, { matching, total }))).toBe(words);
});

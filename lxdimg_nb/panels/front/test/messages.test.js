// What a panel says and when: its kernel answers late, twice, never, or comes back.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { another, mount, unmount } from "./kernel.js";
import { header, page, parts } from "./samples.js";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  unmount();
  vi.useRealTimers();
});

test("a panel says hello, and then that it is there, without a word of the user", () => {
  const { kernel, root } = mount();
  expect(root.textContent).toContain("Waiting for the kernel");

  vi.advanceTimersByTime(31_000);

  expect(new Set(kernel.heard.map(({ type }) => type))).toEqual(new Set(["here"]));
});

test("a kernel that does not answer is told of after four seconds, and forgotten when it does", async () => {
  const { kernel, text, control } = mount(parts(1));
  kernel.alive = false;

  control("Reload").click();
  vi.advanceTimersByTime(3000);
  expect(text()).not.toContain("busy with a cell");
  vi.advanceTimersByTime(2000);
  expect(text()).toContain("busy with a cell");
  // It is asked again and again; an answer to the last question answers the others.
  kernel.alive = true;
  vi.advanceTimersByTime(2000);

  expect(text()).not.toContain("busy with a cell");
  vi.advanceTimersByTime(20_000);
  expect(text()).not.toContain("busy with a cell");
});

test("what was clicked meanwhile was sent once", () => {
  const { kernel, control } = mount(parts(1));
  kernel.alive = false;

  control("Reload").click();
  vi.advanceTimersByTime(60_000);
  kernel.alive = true;
  vi.advanceTimersByTime(60_000);

  expect(kernel.take()).toEqual([{ type: "reload" }]);
});

test("questions to a kernel that is busy for an hour do not come in thousands", () => {
  const { kernel } = mount(parts(1));
  kernel.alive = false;

  vi.advanceTimersByTime(3_600_000);

  expect(kernel.heard.length).toBeLessThan(300);
});

test("a panel whose comm is closed says what to do, and goes on when it is open again", async () => {
  const { kernel, text, control } = mount(parts(1));

  kernel.open = false;
  control("Reload").click();
  await vi.advanceTimersByTimeAsync(1000);
  expect(text()).toContain("lost its kernel");
  kernel.open = true;
  await vi.advanceTimersByTimeAsync(35_000);

  expect(text()).not.toContain("lost its kernel");
});

test("an answer that comes twice, or to nothing that was asked, changes nothing", () => {
  const { kernel, root } = mount(parts(2));
  const before = root.innerHTML;

  kernel.say("heard", { number: 1, told: kernel.told });
  kernel.say("heard", { number: 1, told: kernel.told });
  kernel.say("heard", { number: 999, told: kernel.told });
  kernel.show({ list: page(2) });
  kernel.show({ list: page(2) });

  expect(root.innerHTML).toBe(before);
});

test.each([null, undefined, 7, "x", [], {}, { type: 7 }, { type: "__proto__" }, { type: "toString" }, { type: "no" }])(
  "a message that is none is left alone: %j",
  (content) => {
    const { kernel, root } = mount(parts(1));
    const before = root.innerHTML;

    for (const listener of kernel.listeners) listener(content);

    expect(root.innerHTML).toBe(before);
  },
);

test("two views of one panel have ids of their own", () => {
  const one = mount(parts(0));
  const other = another(one.kernel, one.app.views);

  for (const { control } of [one, other]) control("Upload …").click();

  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  expect(ids.length).toBeGreaterThan(5);
  expect(new Set(ids).size).toBe(ids.length);
});

test("after the computer slept, the panel asks for everything", () => {
  const { kernel } = mount(parts(1));
  vi.advanceTimersByTime(10_000);
  kernel.heard = [];

  vi.setSystemTime(Date.now() + 3_600_000);
  vi.advanceTimersByTime(1000);

  expect(kernel.heard.filter(({ type }) => type === "hello").length).toBe(1);
});

test("a view that has missed a message asks for everything, once", () => {
  const { kernel } = mount(parts(1));
  const hellos = () => kernel.heard.filter(({ type }) => type === "hello").length;
  vi.advanceTimersByTime(40_000);
  kernel.heard = [];

  vi.advanceTimersByTime(40_000);
  expect(hellos()).toBe(0);
  kernel.told += 1;
  vi.advanceTimersByTime(100_000);

  expect(hellos()).toBe(1);
});

test("a second view of a panel has what the first one has, and asks for nothing", () => {
  const one = mount(parts(3));

  const other = another(one.kernel, one.app.views);

  expect(other.root.querySelectorAll("tbody tr").length).toBe(3);
  expect(one.kernel.heard.map(({ type }) => type)).toEqual(["here"]);
  // Both follow; the one that is left goes on.
  one.app.end();
  one.kernel.show({ list: page(2) });
  expect(other.root.querySelectorAll("tbody tr").length).toBe(2);
});

test("a second view asks for itself if the first one has heard nothing", () => {
  const one = mount();
  one.kernel.alive = false;
  one.kernel.take();

  another(one.kernel, one.app.views);

  expect(one.kernel.heard.map(({ type }) => type)).toEqual(["hello"]);
});

test("a view that was removed says so, and neither hears nor says anything afterwards", () => {
  const { app, kernel } = mount(parts(1));

  app.end();
  kernel.heard = [];
  kernel.show({ header: header({ product: "Incus" }) });
  vi.advanceTimersByTime(60_000);

  expect(kernel.heard).toEqual([]);
  expect(kernel.listeners.size).toBe(0);
  expect(document.querySelector(".lxi")).toBe(null);
});

test("what changed elsewhere is said once, politely; of what the user looks for the number is said", () => {
  const { kernel, find, control, type } = mount(parts(3));
  const said = find(".lxi-said");
  expect(said.textContent).toBe("");

  kernel.show({ news: { number: 1, text: "Changed: web." }, list: page(3) });
  const first = said.firstElementChild;
  expect([said.getAttribute("role"), said.textContent]).toEqual(["status", "Changed: web."]);
  kernel.show({ list: page(4) });
  // It is the same element: nothing is said again.
  expect(said.firstElementChild).toBe(first);
  kernel.show({ news: { number: 2, text: "Changed: web." } });
  expect(said.firstElementChild).not.toBe(first);

  type(control("Search images"), "web");
  vi.advanceTimersByTime(200);
  kernel.show({ list: page(1, { query: "web", total: 3 }) });
  expect(said.textContent).toBe("1 of 3 images, page 1 of 1");
  expect(document.querySelectorAll(".lxi-footer [role=status]").length).toBe(0);
});

test("a further view says nothing of what was said before it came", () => {
  const one = mount(parts(3));
  one.kernel.show({ news: { number: 1, text: "Changed: web." } });

  const other = another(one.kernel, one.app.views);

  expect(other.find(".lxi-said").textContent).toBe("");
});

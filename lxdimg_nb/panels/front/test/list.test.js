// The list of images: search, order, pages, selection, keys, and whatever servers write.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { mount, unmount } from "./kernel.js";
import { choices, detail, EVIL, header, keyOf, page, parts, row } from "./samples.js";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  unmount();
  vi.useRealTimers();
});

test("a click on a heading asks for that order, and the answer is shown with its direction", () => {
  const { kernel, find } = mount(parts(3));

  find("th.lxi-n-size button").click();
  expect(kernel.take()).toEqual([{ type: "sort", column: "size" }]);
  kernel.show({ list: page(3, { sort: "size", down: true, rows: [row(3), row(2), row(1)] }) });

  expect(find("th.lxi-n-size").getAttribute("aria-sort")).toBe("descending");
  expect(find("th.lxi-n-alias").getAttribute("aria-sort")).toBe("none");
  expect([...find("tbody").children].map((tr) => tr.dataset.key)).toEqual([keyOf(3), keyOf(2), keyOf(1)]);
});

test("a hundred thousand images are one page, with their number", () => {
  const { kernel, control, root, text } = mount(
    parts(0, { list: page(20, { total: 100_000, matching: 100_000, pages: 5000, bytes: "" }) }),
  );

  expect(text()).toContain("100,000 images");
  expect(text()).toContain("Page 1 of 5,000");
  expect(root.querySelectorAll("tbody tr").length).toBe(20);
  control("Previous page").click();
  control("Next page").click();
  control("Last page").click();

  // The first page has none before it.
  expect(kernel.take()).toEqual([
    { type: "page", page: 1 },
    { type: "page", page: 4999 },
  ]);
});

test("rows that stay on a page are not made anew", () => {
  const rows = Array.from({ length: 100 }, (_, n) => row(n));
  const { kernel } = mount(parts(0, { list: page(100, { rows, size: 100 }) }));
  const tr = document.querySelector("tbody tr");

  for (let n = 0; n < 5; n++) kernel.show({ list: page(100, { rows, size: 100, selected: n }) });

  expect(document.querySelector("tbody tr")).toBe(tr);
});

test("images stay selected on other pages, and all that match can be selected at once", () => {
  const first = { total: 50, matching: 50, pages: 25, size: 20 };
  const { kernel, control, change, text, find } = mount(parts(0, { list: page(2, first) }));

  change(control("Select web-1"), true);
  expect(kernel.take()).toEqual([{ type: "select", keys: [keyOf(1)], on: true }]);
  // Shown before the kernel confirms it.
  expect(find("tr.lxi-selected").dataset.key).toBe(keyOf(1));
  expect(control("Select all on this page").indeterminate).toBe(true);
  kernel.show({ list: page(2, { ...first, page: 1, rows: [row(3), row(4)], selected: 1 }) });
  expect(text()).toContain("1 selected");
  expect(document.querySelector("tr.lxi-selected")).toBe(null);
  change(control("Select all on this page"), true);
  expect(text()).toContain("3 selected");
  control("Select all 50").click();
  expect(text()).toContain("50 selected");
  control("Select none").click();

  expect(text()).not.toContain("selected");
  expect(kernel.take()).toEqual([
    { type: "select", what: "page", on: true },
    { type: "select", what: "found", on: true },
    { type: "select", what: "found", on: false },
  ]);
});

test("what the kernel says of a selection counts, whatever was shown before it", () => {
  const { kernel, control, change, text } = mount(parts(2));

  change(control("Select web-1"), true);
  kernel.show({ list: page(2, { selected: 0 }) });

  expect(control("Select web-1").checked).toBe(false);
  expect(text()).not.toContain("1 selected");
});

test("what is typed stays while answers to earlier letters come late", () => {
  const { kernel, control, type } = mount(parts(3));
  const box = control("Search images");

  type(box, "ubu");
  vi.advanceTimersByTime(150);
  type(box, "ubuntu");
  kernel.show({ list: page(2, { query: "ubu" }) });
  expect(box.value).toBe("ubuntu");
  vi.advanceTimersByTime(150);
  expect(kernel.take()).toEqual([
    { type: "search", query: "ubu" },
    { type: "search", query: "ubuntu" },
  ]);
  kernel.show({ list: page(1, { query: "ubuntu" }) });
  kernel.show({ list: page(1, { query: "ubuntu" }) });
  expect(box.value).toBe("ubuntu");

  // Another view of the panel searches: this one follows, because nobody types here.
  kernel.show({ list: page(3, { query: "debian" }) });
  expect(control("Search images").value).toBe("debian");
});

test("a query that is wrong says why and keeps the rows", () => {
  const { kernel, root, control } = mount(parts(3));

  kernel.show({ list: page(3, { query: "sise>1", problem: "there is no field 'sise'; did you mean 'size'?" }) });

  expect(root.querySelector(".lxi-problem")?.textContent).toContain("did you mean");
  expect(control("Search images").getAttribute("aria-invalid")).toBe("true");
  expect(root.querySelectorAll("tbody tr").length).toBe(3);
});

test("nothing that matches can be undone by one click", () => {
  const { kernel, control, find } = mount(
    parts(0, { list: page(0, { total: 9, query: "x", chips: ["public"], problem: "" }) }),
  );

  control("Clear the search").click();

  expect(kernel.take()).toEqual([
    { type: "chips", chips: [] },
    { type: "search", query: "" },
  ]);
  expect(find(".lxi-search").value).toBe("");
  expect(document.activeElement).toBe(find(".lxi-search"));
});

test("a chip is switched on and off; one that needs consent asks for it", () => {
  const { kernel, control, root } = mount(parts(1));

  control("Unused").click();
  expect(kernel.take()).toEqual([{ type: "chips", chips: ["unused"] }]);
  const lookups = [{ name: "unused", state: /** @type {const} */ ("consent"), text: "The kernel would read …" }];
  kernel.show({ list: page(1, { chips: ["public", "unused"], lookups }) });
  expect(control("Unused").getAttribute("aria-pressed")).toBe("true");
  control("Read them").click();
  control("Cancel").click();

  expect(root.querySelector("[role=alertdialog]")?.textContent).toContain("would read");
  expect(kernel.take()).toEqual([{ type: "agree" }, { type: "chips", chips: ["public"] }]);
});

test("columns are chosen in a menu that Escape closes", () => {
  const { kernel, control, change, press, find } = mount(parts(1));

  find("details").open = true;
  change(control("Size"), false);
  expect(kernel.take()).toEqual([{ type: "columns", columns: ["alias", "fingerprint", "public"] }]);
  kernel.show({ list: page(1, { columns: ["alias"] }) });
  change(control("Size"), true);
  expect(kernel.take()).toEqual([{ type: "columns", columns: ["alias", "size"] }]);
  press(control("Size"), "Escape");

  expect(find("details").open).toBe(false);
  expect(document.activeElement).toBe(find("summary"));
});

test("the column of the server stands first in a fleet and cannot be chosen", () => {
  const list = page(1, {
    columns: ["server", "alias", "fingerprint", "public", "size"],
    rows: [row(1, { cells: ["north", "web", "0123456789ab", "no", "1 MiB"] })],
  });
  const { find, root } = mount(parts(0, { header: header({ kind: "fleet", uploads: false, project: "" }), list }));

  expect(find("tbody td.lxi-n-server").textContent).toBe("north");
  expect(find("tbody .lxi-name").textContent).toBe("web");
  const offered = [...root.querySelectorAll(".lxi-menu label")].map((label) => label.textContent);
  expect(offered).toEqual(["Alias", "Fingerprint", "Public", "Size"]);
  expect(root.querySelector(".lxi-bulk")).toBe(null);
});

test("the arrow keys go from row to row, and Tab stops at one of them", () => {
  const { press, root } = mount(parts(5));
  const names = /** @type {HTMLElement[]} */ ([...root.querySelectorAll(".lxi-name")]);
  const stops = () => names.filter((name) => name.tabIndex === 0).map((name) => name.textContent);
  expect(stops()).toEqual(["web-1"]);

  names[0]?.focus();
  press(names[0], "ArrowDown");
  press(document.activeElement, "End");
  press(document.activeElement, "ArrowDown");

  expect(document.activeElement).toBe(names[4]);
  expect(stops()).toEqual(["web-5"]);
  press(document.activeElement, "Home");
  press(document.activeElement, "ArrowUp");
  expect(document.activeElement).toBe(names[0]);
});

test("the focus stays on an image while rows change around it, and goes on when it is gone", () => {
  const { kernel, root } = mount(parts(5));
  const at = () => document.activeElement?.textContent;
  /** @type {HTMLElement} */ (root.querySelectorAll(".lxi-name")[2]).focus();

  kernel.show({ list: page(5, { rows: [row(9), row(5), row(4), row(3), row(1)] }) });
  expect(at()).toBe("web-3");
  kernel.show({ list: page(4, { rows: [row(9), row(5), row(4), row(1)] }) });
  expect(root.querySelector("tbody")?.contains(document.activeElement)).toBe(true);
  kernel.show({ list: page(0, { total: 1, query: "x" }) });

  expect(root.contains(document.activeElement)).toBe(true);
});

test("a click on a row opens it; by keyboard its detail gets the focus, and Escape leads back", () => {
  const { kernel, find, press } = mount(parts(3));

  find(`tr[data-key="${keyOf(2)}"] .lxi-n-size`).click();
  expect(kernel.take()).toEqual([{ type: "open", key: keyOf(2) }]);
  // A click that a key makes has the detail 0.
  find(`tr[data-key="${keyOf(1)}"] .lxi-name`).dispatchEvent(new MouseEvent("click", { detail: 0, bubbles: true }));
  expect(kernel.take()).toEqual([{ type: "open", key: keyOf(1) }]);
  kernel.show({ detail: detail(), list: page(3, { open: keyOf(1) }) });
  expect(document.activeElement).toBe(find(".lxi-detail .lxi-title"));
  press(document.activeElement, "Escape");

  expect(kernel.take()).toEqual([{ type: "shut" }]);
  expect(document.activeElement).toBe(find(`tr[data-key="${keyOf(1)}"] .lxi-name`));
});

test("a server that writes markup, and text from right to left, is shown as text kept apart", () => {
  const list = page(1, {
    rows: [row(1, { key: `default/${EVIL}`, cells: [EVIL, EVIL, EVIL, [EVIL, EVIL]] })],
    problem: EVIL,
    lookups: [{ name: EVIL, state: "ready", text: EVIL }],
  });
  const { root, text } = mount(
    parts(0, {
      header: header({ product: EVIL, address: EVIL, project: EVIL, distrust: EVIL, live_text: EVIL, images_of: EVIL }),
      projects: [EVIL, "default"],
      choices: {
        columns: choices.columns.map((column) => ({ ...column, title: EVIL })),
        chips: [{ name: "x", title: EVIL, hint: EVIL }],
      },
      list,
      notices: [{ number: 1, text: EVIL, good: false }],
      detail: detail({
        title: EVIL,
        subtitle: EVIL,
        facts: [{ name: EVIL, value: EVIL, hint: EVIL }],
        aliases: [{ name: EVIL, text: EVIL }],
        properties: [{ name: EVIL, value: EVIL, whole: true }],
      }),
    }),
  );

  expect(text().split("<script>").length).toBeGreaterThan(15);
  expect(root.querySelector("img, script")).toBe(null);
  expect(/** @type {any} */ (window).owned).toBe(undefined);
  for (const cell of root.querySelectorAll("tbody td:not(.lxi-c-check, .lxi-c-flag)")) {
    expect(cell.querySelector("bdi")?.textContent).toBe(EVIL);
  }
});

test("a project of one's own is chosen once there are several", () => {
  const { kernel, control, change } = mount(parts(1, { projects: ["default", "web"] }));

  change(control("Project"), "web");

  expect(kernel.take()).toEqual([{ type: "project", project: "web" }]);
  expect(control("Project").value).toBe("web");
});

test("rows of a page are chosen, and shown as chosen at once", () => {
  const { kernel, control, change } = mount(parts(0, { list: page(20, { total: 50, matching: 50, pages: 3 }) }));

  change(control("Rows102050100"), "50");

  expect(kernel.take()).toEqual([{ type: "size", size: 50 }]);
  expect(control("Rows102050100").value).toBe("50");
});

test.each([
  [{ state: /** @type {const} */ ("loading") }, "Reading the images"],
  [
    { state: /** @type {const} */ ("failed"), reason: { title: "The server does not answer", text: "It is down." } },
    "It is down.",
  ],
  [page(0), "No images here yet"],
])("a list that is not there says why: %#", (list, words) => {
  const { text } = mount(parts(0, { list }));

  expect(text()).toContain(words);
});

test.each([
  [["default"], "Upload one."],
  [["default", "web"], "Upload one, or choose another project above."],
])("an empty list offers another project only where there is one: %#", (projects, words) => {
  const { text } = mount(parts(0, { list: page(0), projects }));

  expect(text()).toContain(words);
});

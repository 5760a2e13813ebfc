// The head of a panel, and the keyboard in all of it.

import { afterEach, expect, test, vi } from "vitest";
import { mount, unmount } from "./kernel.js";
import { header, page, parts } from "./samples.js";

afterEach(unmount);

test.each(
  /** @type {const} */ ([
    ["live", "ready", "live"],
    ["polling", "ready", "every 30 s"],
    ["lost", "ready", "reconnecting …"],
    ["off", "ready", "as of 10:11:12 UTC"],
    ["live", "reloading", "reading …"],
  ]),
)("a list that is %s and %s says '%s'", (live, state, words) => {
  const { find } = mount(parts(0, { header: header({ live }), list: page(1, { state }) }));

  expect(find(".lxi-live").textContent).toBe(words);
});

test("an untrusted client is told what to do, and is offered nothing that needs trust", () => {
  const { root, find } = mount(
    parts(0, {
      header: header({ trusted: false, uploads: false, distrust: "run 'lxc config trust add'" }),
      list: page(2, { selected: 1 }),
    }),
  );

  expect(find("[role=note]").textContent).toContain("config trust add");
  expect(find(".lxi-is-untrusted").textContent).toBe("not trusted");
  expect(root.querySelector(".lxi-do-upload")).toBe(null);
  const offered = [...root.querySelectorAll(".lxi-bulk button")].map((button) => button.textContent);
  expect(offered).toEqual(["Export …"]);
});

test("a catalogue is read-only and of no project", () => {
  const { root, find } = mount(parts(1, { header: header({ catalogue: true, project: "", uploads: false }) }));

  expect(find(".lxi-badge").textContent).toBe("read-only");
  expect(root.textContent).not.toContain("project");
});

test("projects that are too many to offer are counted, and cannot be chosen", () => {
  const more = "and 99,000 more: client.in_project(name).images.panel()";
  const { find } = mount(parts(1, { projects: ["default", "web"], more_projects: more }));
  const options = [...find(".lxi-select").querySelectorAll("option")];

  expect(options.map((option) => [option.textContent, option.disabled])).toEqual([
    ["default", false],
    ["web", false],
    [more, true],
  ]);
});

test("a project without images of its own says whose it shows", () => {
  const { text } = mount(parts(1, { header: header({ project: "web", images_of: "default" }) }));

  expect(text()).toContain("shows the images of default");
});

test("keys that notebooks act on stay in the panel; those of the browser do not", () => {
  const { control } = mount(parts(1));
  const seen = vi.fn();
  document.body.addEventListener("keydown", (event) => seen(event.key));
  const button = control("Reload");
  button.focus();

  for (const key of ["a", "d", "x", "Escape", "ArrowDown", "Enter"]) {
    button.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    expect(button.hasAttribute("data-lm-suppress-shortcuts")).toBe(true);
  }
  button.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, bubbles: true }));
  expect(seen).not.toHaveBeenCalled();
  for (const key of ["f", "r", "c"]) {
    button.dispatchEvent(new KeyboardEvent("keydown", { key, ctrlKey: true, bubbles: true }));
    expect(button.hasAttribute("data-lm-suppress-shortcuts")).toBe(false);
  }

  expect(seen.mock.calls.flat()).toEqual(["f", "r", "c"]);
});

test("a key that is held down presses a button once", () => {
  const { control } = mount(parts(1));

  const once = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true });
  const again = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, repeat: true });
  control("Reload").dispatchEvent(once);
  control("Reload").dispatchEvent(again);

  expect([once.defaultPrevented, again.defaultPrevented]).toEqual([false, true]);
});

test("a question that appears takes no focus from who types elsewhere in the page", () => {
  const { kernel } = mount(parts(1));
  const cell = document.createElement("textarea");
  document.body.append(cell);
  cell.focus();

  const lookups = [{ name: "unused", state: /** @type {const} */ ("consent"), text: "The kernel would read …" }];
  kernel.show({ list: page(1, { chips: ["unused"], lookups }) });

  expect(document.querySelector("[role=alertdialog]")).not.toBe(null);
  expect(document.activeElement).toBe(cell);
});

// One image: its switches, edits, conflicts, actions.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { mount, unmount } from "./kernel.js";
import { detail, header, keyOf, page, parts, result, transfer } from "./samples.js";

const key = keyOf(1);

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  unmount();
  vi.useRealTimers();
});

/** @param {Parameters<typeof detail>[0]} [change] */
const opened = (change) => mount(parts(3, { detail: detail(change), list: page(3, { open: key }) }));

test("an image is made public only after a question that says who will see it", () => {
  const { kernel, control, find, press } = opened();

  find('[data-name="public"]').click();
  expect(kernel.take()).toEqual([]);
  expect(find("[role=alertdialog]").textContent).toContain("Anyone will see it.");
  expect(document.activeElement).toBe(control("Make public"));
  press(document.activeElement, "Escape");
  expect(document.activeElement).toBe(find('[data-name="public"]'));
  find('[data-name="public"]').click();
  control("Make public").click();
  expect(kernel.take()).toEqual([{ type: "set", key, field: "public", value: true, confirmed: true }]);

  // It can be clicked again once the kernel has answered.
  const box = find('[data-name="public"]');
  expect(box.getAttribute("aria-busy")).toBe("true");
  box.click();
  expect(kernel.take()).toEqual([]);
  kernel.show({ detail: detail({ public: { on: true, text: "Visible to everyone.", locked: "" } }) });
  expect(box.getAttribute("aria-checked")).toBe("true");
  box.click();
  expect(kernel.take()).toEqual([{ type: "set", key, field: "public", value: false, confirmed: true }]);
});

test("a switch that is locked says why and sends nothing", () => {
  const { kernel, find, text } = opened();
  const box = find('[data-name="auto_update"]');

  box.click();

  expect(kernel.take()).toEqual([]);
  expect(box.getAttribute("aria-disabled")).toBe("true");
  expect(document.getElementById(box.getAttribute("aria-describedby"))?.textContent).toContain("no source");
  expect(text().split("It has no source to update from.").length).toBe(2);
});

test("a conflict shows both values and leaves the choice to the user", () => {
  const conflict = { name: "note", theirs: "theirs <b>", ours: "mine" };
  const { kernel, control, find } = opened({ result: result({ good: false, text: "Nothing was written.", conflict }) });

  const facts = find("[role=alert] dl");
  expect(facts.textContent).toBe("On the servertheirs <b>Yoursmine");
  control("Keep the server's").click();
  control("Write mine over it").click();

  expect(kernel.take()).toEqual([
    { type: "dismiss-result", key },
    { type: "overwrite", key },
  ]);
});

test("an alias of another image is moved only when the user says so", () => {
  const { kernel, control } = opened({ result: result({ good: false, movable_alias: "web" }) });

  control("Move it here").click();
  control("Leave it").click();

  expect(kernel.take()).toEqual([
    { type: "move-alias", key },
    { type: "dismiss-result", key },
  ]);
});

test("undoing is one click, unless it would make the image public", () => {
  const { kernel, control } = opened({ result: result({ undo: true }) });

  control("Undo").click();
  expect(kernel.take()).toEqual([{ type: "undo", key, confirmed: true }]);
  kernel.show({ detail: detail({ result: result({ undo: true, undo_makes_public: true }) }) });
  control("Undo").click();
  expect(kernel.take()).toEqual([]);
  control("Make public").click();

  expect(kernel.take()).toEqual([{ type: "undo", key, confirmed: true }]);
});

test("a property is edited in place, with what was seen before", () => {
  const { kernel, control, type, submit, find, root } = opened();

  control("Edit note").click();
  const box = control("Value of note");
  expect(document.activeElement).toBe(box);
  // A change elsewhere meanwhile takes nothing that was typed.
  type(box, "new");
  kernel.show({ detail: detail({ properties: [{ name: "note", value: "theirs", whole: true }] }) });
  expect(control("Value of note").value).toBe("new");
  submit(box);

  expect(kernel.take()).toEqual([
    { type: "edit", key, field: "properties", name: "note", before: "old", value: "new" },
  ]);
  expect(root.querySelector("form.lxi-edit")).toBe(null);
  expect(document.activeElement).toBe(find('[data-name="property-note"]'));
});

test("a property that is not shown whole cannot be edited; Escape leaves the one that can", () => {
  const properties = [
    { name: "note", value: "old", whole: true },
    { name: "long", value: "x…", whole: false },
  ];
  const { control, press, root, text } = opened({ properties });

  expect(text()).toContain("(not shown whole)");
  expect(root.querySelectorAll(".lxi-properties .lxi-pencil").length).toBe(1);
  control("Edit note").click();
  press(control("Value of note"), "Escape");

  expect(root.querySelector("form.lxi-edit")).toBe(null);
  expect(document.activeElement).toBe(control("Edit note"));
});

test("a property and an alias are added, expiry and profiles changed", () => {
  const { kernel, control, type, submit } = opened();

  control("Add a property").click();
  type(control("Name of the new property"), "team");
  type(control("Value of the new property"), "blue");
  submit(control("Value of the new property"));
  control("Add an alias").click();
  type(control("New alias"), "web/1");
  submit(control("New alias"));
  control("Edit expires").click();
  type(control("Expires"), "2031-02-03");
  submit(control("Expires"));
  control("Edit profiles").click();
  type(control("Profiles"), "default, web");
  submit(control("Profiles"));

  expect(kernel.take()).toEqual([
    { type: "edit", key, field: "properties", name: "team", before: "", value: "blue" },
    { type: "add-alias", key, name: "web/1" },
    { type: "edit", key, field: "expires_at", name: "", before: "", value: "2031-02-03" },
    { type: "edit", key, field: "profiles", name: "", before: "", value: "default, web" },
  ]);
});

test("an alias is removed and an image deleted only after a question", () => {
  const { kernel, control } = opened();

  control("Remove the alias web-1").click();
  control("Cancel").click();
  control("Remove the alias web-1").click();
  control("Remove").click();
  control("Delete …").click();
  control("Cancel").click();
  control("Delete …").click();
  expect(kernel.take()).toEqual([{ type: "delete-alias", key, name: "web-1" }]);
  control("Delete").click();

  expect(kernel.take()).toEqual([{ type: "delete", key, confirmed: true }]);
});

test("an image is exported, copied and refreshed", () => {
  const { kernel, control, type, change, submit } = opened();

  control("Export …").click();
  expect(control("Folder on the kernel's machine").value).toBe("/root");
  type(control("Folder on the kernel's machine"), "/srv");
  submit(control("Folder on the kernel's machine"));
  control("Copy …").click();
  type(control("To which server"), "staging");
  type(control("Aliases there"), "web");
  change(
    control(
      "Keep the copy current (auto-update) The server there fetches the image itself and looks for newer builds from time to time.",
    ),
    true,
  );
  submit(control("To which server"));
  control("Refresh").click();

  expect(kernel.take()).toEqual([
    { type: "export", key, folder: "/srv" },
    { type: "copy", key, target: "staging", aliases: "web", project: "", auto_update: true },
    { type: "refresh", key },
  ]);
});

test("who uses an image is asked when that is opened, and once", () => {
  const { kernel, find, control, text } = opened();
  const details = find(".lxi-explain");

  details.open = true;
  expect(kernel.take()).toEqual([{ type: "explain", key }]);
  kernel.show({ explained: { key, state: "reading" } });
  expect(text()).toContain("Asking the server");
  kernel.show({ explained: { key, state: "ready", text: "As of now.", answers: [{ name: "Used by", value: "2" }] } });
  details.dispatchEvent(new Event("toggle"));
  expect(kernel.take()).toEqual([]);
  control("Ask again").click();
  expect(kernel.take()).toEqual([{ type: "explain", key }]);

  // An answer about another image is not this one's.
  kernel.show({ explained: { key: keyOf(2), state: "ready", text: "Of another.", answers: [] } });
  expect(text()).not.toContain("Of another.");
});

test("an image that nobody may change offers nothing that changes it", () => {
  const { root } = opened({ writable: false, refreshable: false, explains: false });

  const names = [...root.querySelectorAll(".lxi-detail button")].map((node) => node.textContent);
  expect(names).toEqual(["×", "", "", "Export …", "Copy …"]);
});

test("the panel of one image has no list, and says when its image is gone", () => {
  const { kernel, root, text } = mount({
    header: header({ kind: "image", uploads: false }),
    detail: detail(),
    transfers: [transfer()],
  });

  expect(root.querySelector(".lxi-list, .lxi-left")).toBe(null);
  expect(root.querySelector('[aria-label="Close details"]')).toBe(null);
  kernel.show({ detail: null, notices: [{ number: 1, text: "Somebody deleted it.", good: false }] });

  expect(text()).toContain("The image is gone.");
});

test("what the user does with one image is not done with the next", () => {
  const { kernel, control, root } = opened();

  control("Delete …").click();
  kernel.show({ detail: detail({ key: keyOf(2), title: "web-2" }) });

  expect(root.querySelector("[role=alertdialog]")).toBe(null);
});

// The upload: paths on the kernel's machine, files of this computer, and how they are sent.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { mount, unmount } from "./kernel.js";
import { EVIL, parts, transfer } from "./samples.js";

const MIB = 1 << 20;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  unmount();
  vi.useRealTimers();
});

/** An open form. */
function form() {
  const view = mount(parts(0));
  view.control("Upload …").click();
  return view;
}

/**
 * Puts a file into a slot.
 * @param {ReturnType<typeof mount>} view
 * @param {string} slot
 * @param {File} file
 */
function choose(view, slot, file) {
  const input = view.find(`[data-name="file-${slot}"]`);
  Object.defineProperty(input, "files", { value: [file], configurable: true });
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

/**
 * A form that has begun to send a file.
 * @param {File} file
 */
function sending(file) {
  const view = form();
  view.change(view.control("A file on this computer"), true);
  choose(view, "image", file);
  view.submit(view.find(".lxi-upload .lxi-file"));
  return view;
}

/** @param {number} size */
const fileOf = (size) => new File([new Uint8Array(size)], "web.tar.gz", { lastModified: 7 });
const begin = /** @type {const} */ ({
  slot: "image",
  job: 3,
  have: 0,
  probe: "",
  piece: 4 * MIB,
  window: 4,
  place: "x",
});

/** Bytes on the way. @param {ReturnType<typeof mount>} view @param {number} acked */
const onTheWay = ({ kernel }, acked) => kernel.pieces.reduce((sum, piece) => sum + piece.byteLength, 0) - acked;

test("a path is completed while it is typed, and checked before anything is sent", () => {
  const { kernel, control, type, submit, root } = form();
  const path = control("Image file on the kernel's machine");

  type(path, "/srv/w");
  type(path, "/srv/we");
  vi.advanceTimersByTime(200);
  expect(kernel.take()).toEqual([{ type: "complete", path: "/srv/we" }]);
  kernel.show({ paths: { path: "/srv/we", found: ["/srv/web.tar.xz", EVIL] } });
  expect(root.querySelectorAll("datalist option").length).toBe(2);
  type(path, "/srv/web.tar.xz");
  submit(path);

  expect(kernel.take()).toEqual([{ type: "check", path: "/srv/web.tar.xz", second: "" }]);
});

test("what the check found is shown, and the upload waits for the user", () => {
  const { kernel, control, change, type, submit, text } = form();
  const facts = [{ name: "Fingerprint", value: "f".repeat(64) }];

  kernel.show({ upload: { state: "checking", job: 1 }, transfers: [transfer({ fraction: 0.25 })] });
  expect(document.querySelector(".lxi-upload [role=progressbar]")?.getAttribute("aria-valuenow")).toBe("25");
  kernel.show({
    upload: { state: "checked", job: 1, ok: true, bare: false, facts, problems: [], notes: ["Swapped."] },
  });
  expect(text()).toContain("Swapped.");
  type(control("Aliases"), "web web/1");
  change(control("Public – visible without authentication to everyone who reaches the server"), true);
  expect(kernel.take()).toEqual([]);
  submit(control("Upload as public image"));

  expect(kernel.take()).toEqual([{ type: "upload", aliases: "web web/1", public: true }]);
});

test("a file with a problem cannot be uploaded", () => {
  const { kernel, root, find, submit } = form();

  kernel.show({ upload: { state: "checked", job: 1, ok: false, bare: false, facts: [], problems: [EVIL], notes: [] } });
  submit(find(".lxi-upload [role=alert]"));

  expect(root.querySelector(".lxi-upload button[type=submit]")).toBe(null);
  expect(find("[role=alert]").textContent).toContain("<script>");
  expect(kernel.take()).toEqual([]);
});

test("metadata that are missing can be made, and what is left empty is read from the file", () => {
  const { kernel, control, type, submit, text } = form();
  const problems = ["Its metadata are missing."];

  kernel.show({ upload: { state: "checked", job: 1, ok: false, bare: true, facts: [], problems, notes: [] } });
  expect(text()).toContain("Its metadata are missing.");
  type(control("Architecture"), "arm64");
  submit(control("Make the metadata"));

  expect(kernel.take()).toEqual([{ type: "make-metadata", os: "", release: "", architecture: "arm64", image: "" }]);
});

test("nothing is sent as long as no file was chosen", () => {
  const view = form();
  view.change(view.control("A file on this computer"), true);

  view.submit(view.find(".lxi-upload .lxi-file"));

  expect(view.text()).toContain("Choose a file first.");
  expect(view.kernel.take()).toEqual([]);
});

test("two files of a split image are announced as two", () => {
  const view = form();
  view.change(view.control("A file on this computer"), true);
  choose(view, "image", fileOf(2));
  choose(view, "second", fileOf(1));

  view.submit(view.find(".lxi-upload .lxi-file"));

  expect(view.kernel.take().map(({ type, slot, size, count }) => [type, slot, size, count])).toEqual([
    ["file-begin", "image", 2, 2],
    ["file-begin", "second", 1, 2],
  ]);
});

test("at most one MiB is on the way until the line is known to be quick, and then sixteen", async () => {
  const size = 64 * MIB;
  const view = sending(fileOf(size));
  view.kernel.say("begin", begin);
  await vi.advanceTimersByTimeAsync(0);
  expect(onTheWay(view, 0)).toBe(MIB);

  let acked = 0;
  let most = 0;
  for (const piece of view.kernel.pieces) {
    acked += piece.byteLength;
    view.kernel.say("got", { job: 3, have: acked });
    await vi.advanceTimersByTimeAsync(0);
    most = Math.max(most, onTheWay(view, acked));
  }

  expect(acked).toBe(size);
  expect(most).toBeGreaterThan(8 * MIB);
  // What is allowed, and the piece that was begun below it.
  expect(most).toBeLessThanOrEqual(20 * MIB);
  const offsets = view.kernel.take().flatMap(({ type, offset }) => (type === "file-piece" ? [offset] : []));
  expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
});

test("on a slow line it stays at one MiB", async () => {
  const view = sending(fileOf(16 * MIB));
  view.kernel.say("begin", begin);
  await vi.advanceTimersByTimeAsync(0);

  let acked = 0;
  let most = 0;
  for (const piece of view.kernel.pieces) {
    // Each piece waits longer for its answer than the one before.
    await vi.advanceTimersByTimeAsync(200);
    acked += piece.byteLength;
    view.kernel.say("got", { job: 3, have: acked });
    await vi.advanceTimersByTimeAsync(0);
    most = Math.max(most, onTheWay(view, acked));
  }

  expect(acked).toBe(16 * MIB);
  // The first answer is the quickest so far, whatever it took.
  expect(most).toBeLessThan(2.5 * MIB);
});

test("a file that is there in part goes on only if its end is the same", async () => {
  const view = sending(fileOf(3 * MIB));
  vi.useRealTimers();
  view.kernel.say("begin", { ...begin, have: MIB, probe: "something else" });
  await vi.waitFor(() => expect(view.kernel.pieces.length).toBeGreaterThan(0));

  const first = view.kernel.take().find(({ type }) => type === "file-piece");
  expect(first).toEqual({ type: "file-piece", job: 3, offset: 0, restart: true });
});

test("pieces that are not acknowledged are told of like a kernel that does not answer", async () => {
  const view = sending(fileOf(2 * MIB));
  view.kernel.say("begin", begin);
  view.kernel.alive = false;

  await vi.advanceTimersByTimeAsync(6000);

  expect(view.text()).toContain("busy with a cell");
});

test("a page that was reloaded says that it does not send, and offers to choose the file again", () => {
  const { kernel, control, text, find } = form();

  kernel.show({ upload: { state: "receiving", jobs: [3] }, transfers: [transfer({ job: 3 })] });
  expect(text()).toContain("This page does not send it");
  control("Choose the file again").click();

  expect(find(".lxi-file")).toBeTruthy();
});

test("a file that the kernel no longer wants is not sent further", async () => {
  const view = sending(fileOf(8 * MIB));
  view.kernel.say("begin", begin);
  await vi.advanceTimersByTimeAsync(0);
  const sent = view.kernel.pieces.length;

  view.kernel.say("file-stop", { job: 3 });
  view.kernel.say("got", { job: 3, have: MIB });
  await vi.advanceTimersByTimeAsync(0);

  expect(view.kernel.pieces.length).toBe(sent);
});

test("a form that is closed is taken back, unless something is on its way", () => {
  const { kernel, control, press, find } = form();

  press(find(".lxi-upload input"), "Escape");
  expect(kernel.take()).toEqual([{ type: "unload" }]);
  expect(document.activeElement).toBe(control("Upload …"));
  control("Upload …").click();
  kernel.show({ upload: { state: "uploading", job: 1, name: "web" } });
  control("Close upload").click();

  expect(kernel.take()).toEqual([]);
});

// Transfers, actions on a selection, notices.

import { afterEach, expect, test, vi } from "vitest";
import { mount, unmount } from "./kernel.js";
import { EVIL, page, parts, transfer } from "./samples.js";

afterEach(() => {
  unmount();
  vi.unstubAllGlobals();
  document.getElementById("jupyter-config-data")?.remove();
});

/** Has the page say where its Jupyter server is. @param {object} config */
function jupyter(config) {
  const script = document.createElement("script");
  script.id = "jupyter-config-data";
  script.type = "application/json";
  script.textContent = JSON.stringify(config);
  document.head.append(script);
}

test("the newest transfers come first, at most a dozen", () => {
  const transfers = Array.from({ length: 30 }, (_, n) => transfer({ job: n, title: `Export ${n}` }));
  const { root } = mount(parts(1, { transfers }));

  const jobs = /** @type {HTMLElement[]} */ ([...root.querySelectorAll(".lxi-job")]);
  expect(jobs.map(({ dataset }) => Number(dataset.job))).toEqual(Array.from({ length: 12 }, (_, n) => 29 - n));
});

test("a transfer is cancelled once", () => {
  const { kernel, control } = mount(parts(1, { transfers: [transfer()] }));

  control("Cancel Export web").click();
  kernel.show({ transfers: [transfer({ stopping: true })] });
  expect(control("Cancel Export web").textContent).toBe("Cancelling …");
  control("Cancel Export web").click();

  expect(kernel.take()).toEqual([{ type: "cancel", job: 1 }]);
});

test("those that have ended are cleared away, and how they ended is text", () => {
  const transfers = [
    transfer({ state: "failed", title: EVIL, text: EVIL, where: EVIL }),
    transfer({ job: 2, state: "done" }),
  ];
  const { kernel, control, find } = mount(parts(1, { transfers }));

  expect(find(".lxi-job-failed [role=status]").textContent).toBe(EVIL);
  control("Clear finished").click();

  expect(kernel.take()).toEqual([{ type: "forget" }]);
});

test("a file below the Jupyter server's folder is fetched by a link, if the server confirms it", async () => {
  jupyter({ baseUrl: "/hub/", rootUri: "file:///srv/books", token: "t" });
  const asked = vi.fn(async () => new Response(JSON.stringify({ size: 7 })));
  vi.stubGlobal("fetch", asked);
  const files = [
    { path: "/srv/books/a #1%.tar", size: 7 },
    { path: "/srv/books/other size.tar", size: 8 },
    { path: "/srv/elsewhere.tar", size: 7 },
  ];
  const { kernel, root } = mount(parts(1, { transfers: [transfer({ state: "done", files })] }));

  await vi.waitFor(() => expect(root.querySelector(".lxi-fetch")).not.toBe(null));
  kernel.show({ transfers: [transfer({ state: "done", files })] });

  const links = /** @type {HTMLAnchorElement[]} */ ([...root.querySelectorAll(".lxi-fetch")]);
  expect(links.map((link) => link.getAttribute("href"))).toEqual(["/hub/files/a%20%231%25.tar"]);
  expect(asked.mock.calls.length).toBe(2);
});

test("a plan for a selection is shown before it is applied", () => {
  const { kernel, control, text, find } = mount(parts(3, { list: page(3, { selected: 2 }) }));

  control("Delete …").click();
  expect(kernel.take()).toEqual([{ type: "plan", action: "delete" }]);
  kernel.show({ bulk: { state: "planning" } });
  kernel.show({
    bulk: {
      state: "planned",
      yes: "Delete 2 images",
      danger: "They will be gone.",
      hint: "Nothing has been changed yet.",
      rows: [
        ["web", "0123456789ab", "delete", EVIL],
        ["", "ba9876543210", "left alone", "pinned"],
      ],
      more: 1200,
    },
  });
  expect(text()).toContain("Plan: delete 2 images");
  expect(text()).toContain("and 1,200 more");
  expect(find(".lxi-plan").querySelector("img")).toBe(null);
  control("Delete 2 images").click();
  expect(kernel.take()).toEqual([{ type: "apply", confirmed: true }]);
  kernel.show({ bulk: { state: "working", job: 5 }, transfers: [transfer({ job: 5, fraction: 0.5 })] });
  expect(find(".lxi-bulk [role=progressbar]").getAttribute("aria-valuenow")).toBe("50");
  control("Stop").click();
  expect(kernel.take()).toEqual([{ type: "cancel", job: 5 }]);
  kernel.show({
    bulk: { state: "applied", text: "1 done, 1 failed.", good: false, rows: [["web", "01", "failed", "x"]], more: 0 },
  });
  control("Dismiss").click();

  expect(kernel.take()).toEqual([{ type: "unplan" }]);
});

test("a property and an export of a selection are asked for in words", () => {
  const { kernel, control, type, submit, press, find } = mount(parts(3, { list: page(3, { selected: 2 }) }));

  control("Set a property …").click();
  expect(document.activeElement).toBe(control("Name of the property"));
  type(control("Name of the property"), "team");
  type(control("Value (empty removes it)"), "blue");
  submit(control("Name of the property"));
  control("Export …").click();
  press(control("Folder on the kernel's machine"), "Escape");
  expect(find(".lxi-bulk").querySelector("form")).toBe(null);
  control("Export …").click();
  submit(control("Folder on the kernel's machine"));

  expect(kernel.take()).toEqual([
    { type: "plan", action: "property", name: "team", value: "blue" },
    { type: "plan", action: "export", value: "/root" },
  ]);
});

test("a notice stays until it is dismissed", () => {
  const { kernel, control, find } = mount(parts(1, { notices: [{ number: 4, text: "Deleted web.", good: true }] }));

  expect(find("[role=status].lxi-message").textContent).toContain("Deleted web.");
  control("Dismiss").click();

  expect(kernel.take()).toEqual([{ type: "dismiss", notice: 4 }]);
});

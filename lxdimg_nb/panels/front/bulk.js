// Actions on the selected images, and the plan that is shown before anything is done.

function bulkPart(app, list) {
  const bulk = app.state.bulk || { state: "empty" };
  const ui = app.ui.bulk;
  if (app.state.header.kind !== "browser") return null;
  if (!list.selected && bulk.state === "empty") return null;
  return h(
    "section",
    { class: "lxi-bulk", key: "bulk", "aria-label": "Selected images" },
    bulk.state === "empty" || bulk.state === "refused" ? bulkActions(app, list, ui) : null,
    bulk.state === "refused" && message(bulk.text, false, () => app.send("unplan")),
    bulk.state === "planning" && waiting("Planning …"),
    bulk.state === "planned" && planPart(app, bulk),
    bulk.state === "working" && workPart(app, bulk),
    bulk.state === "applied" && appliedPart(app, bulk),
  );
}

function bulkActions(app, list, ui) {
  if (!list.selected) return null;
  const plan = (action, more) => {
    ui.asking = "";
    app.send("plan", { action, ...more });
  };
  const ask = (what) => {
    ui.asking = ui.asking === what ? "" : what;
    app.draw();
  };
  const form = (what, fields, go) =>
    ui.asking === what &&
    h(
      "form",
      {
        class: "lxi-edit", key: what,
        onSubmit: (event) => {
          event.preventDefault();
          ui.asking = "";
          go();
          app.draw();
        },
        onKeydown: onEscape(() => ask(what)),
      },
      fields.map(([name, label, focus]) =>
        h("input", {
          type: "text", class: "lxi-input", "aria-label": label, placeholder: label, autocomplete: "off", spellcheck: "false", value: ui[name],
          ref: (n) => focus && take(n), onInput: (event) => (ui[name] = event.target.value),
        }),
      ),
      h("button", { type: "submit", class: "lxi-button lxi-primary" }, "Show the plan"),
      button("Cancel", () => ask(what)),
    );
  return [
    h(
      "div",
      { class: "lxi-row" },
      h("strong", {}, `${list.selected.toLocaleString("en")} selected`),
      app.state.header.trusted && [
        button("Make public …", () => plan("public")),
        button("Make private …", () => plan("private")),
        button("Auto-update on …", () => plan("update")),
        button("Auto-update off …", () => plan("no-update")),
        button("Set a property …", () => ask("property"), { "aria-expanded": ui.asking === "property" ? "true" : "false" }),
        button("Refresh …", () => plan("refresh")),
      ],
      button("Export …", () => ask("export"), { "aria-expanded": ui.asking === "export" ? "true" : "false" }),
      app.state.header.trusted && button("Delete …", () => plan("delete")),
    ),
    form("property", [["name", "Name of the property", true], ["value", "Value (empty removes it)"]], () => plan("property", { name: ui.name, value: ui.value })),
    form("export", [["folder", "Folder on the kernel's machine", true]], () => plan("export", { value: ui.folder || app.state.header.folder })),
  ];
}

function bulkTable(headers, rows, more) {
  return h(
    "div",
    { class: "lxi-scroll lxi-plan", tabindex: "0", role: "region", "aria-label": "Plan", ref: take },
    h(
      "table",
      { class: "lxi-table" },
      h("thead", {}, h("tr", {}, headers.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", { title: cell }, h("bdi", {}, cell)))))),
    ),
    more > 0 && h("p", { class: "lxi-hint" }, `and ${more.toLocaleString("en")} more`),
  );
}

function planPart(app, bulk) {
  return [
    h("strong", { role: "status" }, bulk.yes ? `Plan: ${bulk.yes.charAt(0).toLowerCase()}${bulk.yes.slice(1)}` : "Nothing to do"),
    bulk.danger && h("p", { class: "lxi-warning" }, bulk.danger),
    bulkTable(["Alias", "Fingerprint", "Change", "Reason"], bulk.rows, bulk.more),
    h(
      "div",
      { class: "lxi-row" },
      bulk.yes && button(bulk.yes, () => app.send("apply", { confirmed: true }), { kind: bulk.danger ? "danger" : "primary" }),
      button(bulk.yes ? "Cancel" : "Close", () => app.send("unplan")),
      bulk.yes && bulk.hint && h("span", { class: "lxi-hint" }, bulk.hint),
    ),
  ];
}

function workPart(app, bulk) {
  const job = jobOf(app, bulk.job);
  return [bar(job ? job.fraction : null, "Applied"), h("div", { class: "lxi-row" }, h("span", { class: "lxi-hint" }, job ? job.text : ""), button("Stop", () => app.send("cancel", { job: bulk.job })))];
}

function appliedPart(app, bulk) {
  return [
    message(bulk.text, bulk.good, () => app.send("unplan")),
    bulk.rows.length > 0 && bulkTable(["Alias", "Fingerprint", "State", "Why"], bulk.rows, bulk.more),
  ];
}

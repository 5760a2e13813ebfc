// The list of images: one page of text. The kernel searches, sorts, turns pages and selects.

function listPart(app) {
  const list = app.state.list;
  if (!list || list.state === "new" || list.state === "loading") return waiting("Reading the images …");
  if (list.state === "failed") {
    return h(
      "div",
      { class: "lxi-empty", role: "alert" },
      h("strong", {}, list.reason.title),
      h("p", { dir: "auto" }, list.reason.text),
      button("Try again", () => app.send("reload"), { kind: "primary" }),
    );
  }
  const searching = list.query || list.chips.some((c) => c.on);
  if (!list.total && !searching) {
    return h(
      "div",
      { class: "lxi-empty" },
      h("strong", {}, "No images here yet"),
      h(
        "p",
        {},
        app.state.header.trusted || app.state.header.catalogue
          ? app.state.header.uploads ? "This project has no images. Upload one, or choose another project above." : "There are no images here."
          : "The server does not trust this connection, so it shows public images only, and it has none.",
      ),
      app.state.header.uploads && button("Upload an image …", () => app.openUpload(), { kind: "primary" }),
    );
  }
  return h("div", { class: "lxi-list" }, tools(app, list), bulkPart(app, list), table(app, list), footer(app, list));
}

function waiting(text) {
  return h("div", { class: "lxi-empty lxi-waiting", role: "status" }, h("span", { class: "lxi-spinner", "aria-hidden": "true" }), text);
}

function tools(app, list) {
  return h(
    "div",
    { class: "lxi-tools" },
    h("input", {
      type: "search", class: "lxi-input lxi-search", placeholder: "Search, or filter: os=ubuntu size>1GiB age>90d",
      "aria-label": "Search images", autocomplete: "off", spellcheck: "false", value: list.query,
      "aria-invalid": list.problem ? "true" : undefined, title: HELP,
      onInput: (event) => app.search(event.target.value),
    }),
    h(
      "div",
      { class: "lxi-chips", role: "group", "aria-label": "Only images that are" },
      list.chips.map((chip) =>
        h(
          "button",
          {
            type: "button", class: "lxi-chip", key: chip.name, title: chip.hint, "aria-pressed": chip.on ? "true" : "false",
            onClick: () => app.send("chips", { chips: list.chips.filter((c) => c.on !== (c.name === chip.name)).map((c) => c.name) }),
          },
          chip.title,
        ),
      ),
    ),
    columnsMenu(app, list),
    list.problem && h("div", { class: "lxi-problem", role: "status", dir: "auto" }, list.problem),
    list.lookups.map((lookup) => lookupPart(app, list, lookup)),
  );
}

// The lookup of a chip: its state, and a question before the kernel reads catalogues that no remote names.
function lookupPart(app, list, lookup) {
  if (lookup.state === "consent") {
    const others = list.chips.filter((c) => c.on && c.name !== lookup.name).map((c) => c.name);
    return question({
      title: "Read these catalogues?", text: lookup.text, yes: "Read them",
      onYes: () => app.send("agree"), onNo: () => app.send("chips", { chips: others }),
    });
  }
  return h(
    "div",
    { class: `lxi-asked lxi-hint ${lookup.state === "failed" ? "lxi-problem" : ""}`.trim(), role: "status", key: `lookup-${lookup.name}`, dir: "auto" },
    lookup.state === "reading" && h("span", { class: "lxi-spinner", "aria-hidden": "true" }),
    lookup.text, " ",
    lookup.state !== "reading" && button("Ask again", () => app.send("lookup", { chip: lookup.name }), { kind: "link" }),
  );
}

const HELP =
  "A word is searched in aliases, fingerprint and description. FIELD=VALUE, !=, <, >: os=ubuntu release=noble,jammy " +
  "public=yes size>1GiB age>90d idle>30d alias=web-*";

function columnsMenu(app, list) {
  const chosen = list.columns.map((c) => c.name);
  return h(
    "details",
    {
      class: "lxi-menu", key: "columns",
      onKeydown: (event) =>
        onEscape(() => {
          event.currentTarget.open = false;
          event.currentTarget.querySelector("summary").focus();
        })(event),
    },
    h("summary", { class: "lxi-button" }, "Columns"),
    h(
      "div",
      { class: "lxi-menu-box", role: "group", "aria-label": "Columns" },
      list.all_columns.map((c) =>
        check({
          label: c.title, checked: chosen.includes(c.name),
          onChange: (on) => app.send("columns", { columns: on ? [...chosen, c.name] : chosen.filter((n) => n !== c.name) }),
        }),
      ),
    ),
  );
}

function table(app, list) {
  const onPage = list.rows.filter((r) => r.selected).length;
  return h(
    "div",
    { class: "lxi-scroll", role: "region", "aria-label": "Images", tabindex: "-1" },
    h(
      "table",
      { class: "lxi-table" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h(
            "th",
            { scope: "col", class: "lxi-c-check" },
            h("input", {
              type: "checkbox", "aria-label": "Select all on this page", checked: onPage > 0 && onPage === list.rows.length,
              indeterminate: onPage > 0 && onPage < list.rows.length,
              onChange: (event) => app.send("select", { what: "page", on: event.target.checked }),
            }),
          ),
          list.columns.map((c) => heading(app, list, c)),
        ),
      ),
      h("tbody", {}, list.rows.map((row, i) => line(app, list, row, i))),
    ),
    !list.matching && h("div", { class: "lxi-empty lxi-small" }, "No image matches.", " ", button("Clear the search", () => app.clearSearch())),
  );
}

function heading(app, list, column) {
  const sorted = list.sort === column.name;
  return h(
    "th",
    {
      scope: "col", key: column.name, class: `lxi-c-${column.kind} lxi-n-${column.name}`,
      "aria-sort": sorted ? (list.down ? "descending" : "ascending") : "none",
    },
    h(
      "button",
      { type: "button", class: "lxi-sort", onClick: () => app.send("sort", { column: column.name }) },
      column.title,
      h("span", { class: "lxi-arrow", "aria-hidden": "true" }, sorted ? (list.down ? "▾" : "▴") : ""),
    ),
  );
}

function line(app, list, row, at) {
  const open = list.open === row.key;
  const name = row.cells[0] || row.cells[1] || row.key;
  return h(
    "tr",
    {
      key: row.key, class: `${open ? "lxi-open" : ""} ${row.selected ? "lxi-selected" : ""}`.trim(), "data-key": row.key,
      "aria-current": open ? "true" : undefined,
      onClick: (event) => !event.target.closest("input,label,button") && app.open(row.key),
      onFocusin: () => app.atRow(at),
      onKeydown: (event) => move(event, at, list.rows.length),
    },
    h(
      "td",
      { class: "lxi-c-check" },
      h("input", {
        type: "checkbox", checked: row.selected, "aria-label": `Select ${name}`, tabindex: app.stop(at, list),
        onChange: (event) => app.send("select", { keys: [row.key], on: event.target.checked }),
      }),
    ),
    list.columns.map((column, i) => cell(app, list, row, column, i, at)),
  );
}

function cell(app, list, row, column, i, at) {
  const text = row.cells[i];
  const props = { key: column.name, class: `lxi-c-${column.kind} lxi-n-${column.name}`, title: row.hints[i] || (text.length > 18 ? text : undefined) };
  const first = i === (list.columns[0].name === "server" ? 1 : 0);
  const flag = column.kind === "flag" && h("span", { class: text === "yes" ? `lxi-badge lxi-is-${column.name}` : "lxi-no" }, text);
  if (!first) return h("td", props, flag || h("bdi", {}, text));
  return h(
    "td",
    props,
    h(
      "button",
      {
        type: "button", class: `lxi-name ${text ? "" : "lxi-unnamed"}`, tabindex: app.stop(at, list),
        // A button pressed by a key gets a click event with the detail 0.
        onClick: (event) => app.open(row.key, event.detail === 0),
      },
      flag || h("bdi", {}, text || (column.name === "alias" ? "no alias" : "open")),
    ),
  );
}

// The arrow keys go from row to row. Tab stops at one row, then goes on after the table.
function move(event, at, count) {
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: count - 1 }[event.key];
  if (to === undefined || to < 0 || to >= count) return;
  event.preventDefault();
  const what = event.target.closest("td").matches(".lxi-c-check") ? "input" : ".lxi-name";
  event.currentTarget.parentNode.children[to].querySelector(what).focus();
}

function footer(app, list) {
  const images = (n) => (n === 1 ? "1 image" : `${n.toLocaleString("en")} images`);
  const which = list.matching === list.total ? images(list.total) : `${list.matching.toLocaleString("en")} of ${images(list.total)}`;
  const last = list.page >= list.pages - 1;
  return h(
    "div",
    { class: "lxi-footer" },
    h("span", { role: "status" }, which, list.bytes ? `, ${list.bytes}` : ""),
    list.selected > 0 &&
      h(
        "span",
        { class: "lxi-row" },
        `${list.selected.toLocaleString("en")} selected`,
        list.selected < list.matching && button(`Select all ${list.matching.toLocaleString("en")}`, () => app.send("select", { what: "found", on: true }), { kind: "link" }),
        button("Select none", () => app.send("select", { what: "found", on: false }), { kind: "link" }),
      ),
    h("span", { class: "lxi-space" }),
    (list.pages > 1 || list.matching > 10) &&
      h(
        "span",
        { class: "lxi-row" },
        h(
          "label",
          { class: "lxi-row" },
          "Rows",
          h(
            "select",
            { class: "lxi-select", value: String(list.size), onChange: (event) => app.send("size", { size: Number(event.target.value) }) },
            [10, 20, 50, 100].map((n) => h("option", { value: String(n), key: n }, String(n))),
          ),
        ),
        turner(app, "«", "First page", 0, list.page === 0),
        turner(app, "‹", "Previous page", list.page - 1, list.page === 0),
        h("span", { class: "lxi-page", role: "status" }, `Page ${(list.page + 1).toLocaleString("en")} of ${list.pages.toLocaleString("en")}`),
        turner(app, "›", "Next page", list.page + 1, last),
        turner(app, "»", "Last page", list.pages - 1, last),
      ),
  );
}

function turner(app, sign, label, page, off) {
  return h(
    "button",
    {
      type: "button", class: "lxi-button lxi-turn", "aria-label": label, title: label, "aria-disabled": off ? "true" : undefined,
      onClick: () => !off && app.send("page", { page }),
    },
    sign,
  );
}

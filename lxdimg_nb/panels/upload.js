// Upload of a file on the kernel's disk: checked, shown, then sent.

function uploadPart(app) {
  const ui = app.ui.upload;
  if (!ui.open) return null;
  const upload = app.state.upload || { state: "empty" };
  const working = upload.state === "checking" || upload.state === "uploading";
  const job = working && (app.state.transfers || []).find((t) => t.job === upload.job);
  return h(
    "section",
    {
      class: "lxi-upload", "aria-label": "Upload an image", key: "upload",
      onKeydown: (event) => {
        event.stopPropagation();
        if (event.key === "Escape") app.closeUpload();
      },
    },
    h(
      "div",
      { class: "lxi-detail-head" },
      h("h3", { class: "lxi-title" }, "Upload an image"),
      h("button", { type: "button", class: "lxi-icon", "aria-label": "Close upload", title: "Close", onClick: () => app.closeUpload() }, "×"),
    ),
    upload.state === "done" && message(upload.text, true),
    upload.state === "refused" && message(upload.text, false),
    working ? atWork(app, upload, job) : upload.state === "checked" ? checkedForm(app, ui, upload) : pathForm(app, ui),
  );
}

function pathForm(app, ui) {
  return h(
    "form",
    {
      class: "lxi-form", key: "paths",
      onSubmit: (event) => {
        event.preventDefault();
        app.send("check", { path: ui.path, second: ui.second });
      },
    },
    field({
      id: app.ids("path").input, label: "Image file on the kernel's machine", value: ui.path, placeholder: "/path/to/image.tar.xz",
      onInput: (event) => (ui.path = event.target.value), focus: true,
    }),
    field({
      id: app.ids("second").input, label: "Second file of a split image", value: ui.second, placeholder: "only if it comes in two files",
      hint: "Metadata and root file system: which is which is told by their content.",
      onInput: (event) => (ui.second = event.target.value),
    }),
    h("div", { class: "lxi-row" }, h("button", { type: "submit", class: "lxi-button lxi-primary" }, "Check"), button("Close", () => app.closeUpload())),
    h("p", { class: "lxi-hint" }, "Nothing is sent yet: the file is read and checked first."),
  );
}

function checkedForm(app, ui, upload) {
  return h(
    "form",
    {
      class: "lxi-form", key: "checked",
      onSubmit: (event) => {
        event.preventDefault();
        if (upload.ok) app.send("upload", { aliases: ui.aliases, public: ui.public });
      },
    },
    upload.problems.map((p) => message(p, false)),
    facts(upload.facts),
    upload.notes.map((n) => h("p", { class: "lxi-hint" }, n)),
    upload.ok &&
      field({
        id: app.ids("aliases").input, label: "Aliases", value: ui.aliases, placeholder: "web web/2026-11",
        hint: "Separated by spaces; may be left empty.", onInput: (event) => (ui.aliases = event.target.value),
      }),
    upload.ok &&
      check({
        label: "Public", checked: ui.public, hint: " – visible without authentication to everyone who reaches the server",
        onChange: (on) => {
          ui.public = on;
          app.draw();
        },
      }),
    h(
      "div",
      { class: "lxi-row" },
      upload.ok && h("button", { type: "submit", class: "lxi-button lxi-primary", ref: (n) => n.focus() }, ui.public ? "Upload as public image" : "Upload"),
      button("Choose another file", () => app.send("unload")),
    ),
  );
}

function atWork(app, upload, job) {
  const word = upload.state === "checking" ? "Checking the file" : `Uploading ${upload.name}`;
  return h(
    "div",
    { class: "lxi-form", key: "work" },
    h("p", { dir: "auto" }, word),
    bar(job ? job.fraction : null, word),
    h("div", { class: "lxi-row" }, h("span", { class: "lxi-hint lxi-grow" }, job ? job.text : ""), button("Cancel", () => app.send("cancel", { job: upload.job }))),
  );
}

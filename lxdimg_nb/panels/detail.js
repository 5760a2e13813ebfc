// One image: what it is, its switches, what can be done with it.

function detailPart(app) {
  const image = app.state.detail;
  if (!image) return null;
  const ui = app.imageState(image.key);
  return h(
    "section",
    { class: "lxi-detail", key: image.key, "aria-label": `Image ${image.title}` },
    h(
      "div",
      { class: "lxi-detail-head" },
      h("h3", { class: "lxi-title", tabindex: "-1", dir: "auto" }, image.title),
      app.state.header.kind === "browser" &&
        h("button", { type: "button", class: "lxi-icon", "aria-label": "Close details", title: "Close details", onClick: () => app.shut() }, "×"),
    ),
    image.subtitle && h("p", { class: "lxi-subtitle", dir: "auto" }, image.subtitle),
    image.said && message(image.said.text, image.said.good),
    switches(app, image, ui),
    actions(app, image, ui),
    h("h4", { class: "lxi-heading" }, "About"),
    facts([{ name: "Fingerprint", value: image.fingerprint }, ...image.facts]),
    h("h4", { class: "lxi-heading" }, "Aliases"),
    image.aliases.length
      ? h("ul", { class: "lxi-tags" }, image.aliases.map((a) => h("li", { title: a.text || undefined }, h("bdi", {}, a.name))))
      : h("p", { class: "lxi-none" }, "No alias points at it."),
    h("h4", { class: "lxi-heading" }, "Properties"),
    image.properties.length ? facts(image.properties, { class: "lxi-facts lxi-properties" }) : h("p", { class: "lxi-none" }, "It has none."),
    image.more_properties > 0 && h("p", { class: "lxi-none" }, `and ${image.more_properties} more`),
  );
}

function switches(app, image, ui) {
  const flip = (name, value, confirmed) => {
    ui.pending = name;
    ui.asking = "";
    app.send("set", { key: image.key, field: name, value, confirmed });
    app.draw();
  };
  const busy = (name) => image.busy && ui.pending === name;
  return h(
    "div",
    { class: "lxi-switches" },
    switchRow({
      ids: app.ids("public"), name: "public", label: "Public", value: image.public.on, text: image.public.text,
      locked: image.public.locked, busy: busy("public"),
      onFlip: (on) => {
        if (!on) return flip("public", false, true);
        ui.asking = "public";
        return app.draw();
      },
      extra:
        ui.asking === "public" && !image.public.on &&
        question({
          title: "Make this image public?", text: image.public.danger, yes: "Make public", danger: true,
          onYes: () => {
            flip("public", true, true);
            app.focus('[data-name="public"]');
          },
          onNo: () => {
            ui.asking = "";
            app.draw();
            app.focus('[data-name="public"]');
          },
        }),
    }),
    switchRow({
      ids: app.ids("auto_update"), name: "auto_update", label: "Auto-update", value: image.auto_update.on,
      text: image.auto_update.text, locked: image.auto_update.locked, busy: busy("auto_update"),
      onFlip: (on) => flip("auto_update", on, true),
    }),
  );
}

function actions(app, image, ui) {
  const close = () => {
    ui.exporting = false;
    app.draw();
    app.focus(".lxi-do-export");
  };
  return h(
    "div",
    { class: "lxi-actions" },
    h(
      "div",
      { class: "lxi-row" },
      button("Export …", () => {
        ui.exporting = !ui.exporting;
        app.draw();
      }, { "aria-expanded": ui.exporting ? "true" : "false", class: "lxi-button lxi-do-export" }),
    ),
    ui.exporting &&
      h(
        "form",
        {
          class: "lxi-form", key: "export",
          onSubmit: (event) => {
            event.preventDefault();
            app.send("export", { key: image.key, folder: ui.folder ?? app.state.header.folder });
            close();
          },
          onKeydown: (event) => {
            event.stopPropagation();
            if (event.key === "Escape") close();
          },
        },
        field({
          id: app.ids("folder").input, label: "Folder on the kernel's machine", value: ui.folder ?? app.state.header.folder,
          hint: "The file is named after the fingerprint and checked before it gets its name. An interrupted export goes on where it stopped.",
          onInput: (event) => (ui.folder = event.target.value),
        }),
        h("div", { class: "lxi-row" }, h("button", { type: "submit", class: "lxi-button lxi-primary" }, "Export"), button("Cancel", close)),
      ),
  );
}

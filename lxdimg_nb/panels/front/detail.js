// The detail of one image: its switches, actions and attributes.

function detailPart(app) {
  const image = app.state.detail;
  if (!image) return null;
  const ui = app.imageState(image.key);
  return h(
    "section",
    {
      class: "lxi-detail", key: image.key, "aria-label": `Image ${image.title}`,
      onKeydown: app.state.header.kind === "image" ? undefined : onEscape(() => app.shut()),
    },
    h(
      "div",
      { class: "lxi-detail-head" },
      h("h3", { class: "lxi-title", tabindex: "-1", dir: "auto" }, image.title),
      app.state.header.kind !== "image" &&
        h("button", { type: "button", class: "lxi-icon", "aria-label": "Close details", title: "Close details", onClick: () => app.shut() }, "×"),
    ),
    image.subtitle && h("p", { class: "lxi-subtitle", dir: "auto" }, image.subtitle),
    image.result && resultPart(app, image, ui),
    switches(app, image, ui),
    actionsPart(app, image, ui),
    h("h4", { class: "lxi-heading" }, "About"),
    facts([{ name: "Fingerprint", value: image.fingerprint }, ...image.facts]),
    editable(app, image, ui, { field: "expires_at", label: "Expires", value: image.expires_text, input: image.expires, type: "date", hint: "Empty is never. No server deletes an image for it." }),
    editable(app, image, ui, { field: "profiles", label: "Profiles", value: image.profiles || "none", input: image.profiles, hint: "Separated by commas; instances made from the image get them." }),
    aliasesPart(app, image, ui),
    propertiesPart(app, image, ui),
    image.explains && explanation(app, image),
  );
}

// Who uses the image, and what deleting it would do. The server is asked only when this is opened.
function explanation(app, image) {
  const found = app.state.explained && app.state.explained.key === image.key ? app.state.explained : {};
  const ask = () => app.send("explain", { key: image.key });
  return h(
    "details",
    { class: "lxi-explain", key: "explain", onToggle: (event) => event.currentTarget.open && !found.state && ask() },
    h("summary", {}, "Who uses it, and what deleting it would do"),
    found.state === "ready" && [
      facts(found.answers),
      h("p", { class: "lxi-hint", role: "status" }, found.text, " ", button("Ask again", ask, { kind: "link" })),
    ],
    found.state === "failed" && [message(found.text, false), button("Ask again", ask, { kind: "link" })],
    (!found.state || found.state === "reading") && h("p", { class: "lxi-hint", role: "status" }, "Asking the server …"),
  );
}

// The result of the last write, with what the user can do about it: undo, or choose between two values.
function resultPart(app, image, ui) {
  const result = image.result;
  const send = (type, more) => {
    ui.asking = "";
    app.send(type, { key: image.key, ...more });
  };
  const choice = (...buttons) => h("div", { class: "lxi-row lxi-choice" }, buttons);
  let extra = null;
  if (result.conflict) {
    extra = [
      facts([{ name: "On the server", value: result.conflict.theirs }, { name: "Yours", value: result.conflict.ours }]),
      choice(button("Keep the server's", () => send("dismiss-result")), button("Write mine over it", () => send("overwrite"), { kind: "danger" })),
    ];
  } else if (result.movable_alias) {
    extra = choice(button("Move it here", () => send("move-alias"), { kind: "primary" }), button("Leave it", () => send("dismiss-result")));
  } else if (result.undo) {
    const undo = () => {
      if (!result.undo_makes_public) return send("undo", { confirmed: true });
      ui.asking = "undo";
      return app.draw();
    };
    extra = [
      choice(button("Undo", undo, { kind: "link" })),
      ui.asking === "undo" && result.undo_makes_public &&
        question({
          title: "Make this image public again?", text: image.public.danger, yes: "Make public", danger: true,
          onYes: () => send("undo", { confirmed: true }),
          onNo: () => {
            ui.asking = "";
            app.draw();
          },
        }),
    ];
  }
  return h(
    "div",
    { class: `lxi-message ${result.good ? "lxi-good" : "lxi-bad"}`, role: result.good ? "status" : "alert", key: "result" },
    h("div", { class: "lxi-grow" }, h("span", { dir: "auto" }, result.text), extra),
    h("button", { type: "button", class: "lxi-icon", "aria-label": "Dismiss", title: "Dismiss", onClick: () => send("dismiss-result") }, "×"),
  );
}

function switches(app, image, ui) {
  const flip = (name, value) => {
    ui.pending = name;
    ui.asking = "";
    app.send("set", { key: image.key, field: name, value, confirmed: true });
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
        if (!on) return flip("public", false);
        ui.asking = "public";
        return app.draw();
      },
      extra:
        ui.asking === "public" && !image.public.on &&
        question({
          title: "Make this image public?", text: image.public.danger, yes: "Make public", danger: true,
          onYes: () => {
            flip("public", true);
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
      onFlip: (on) => flip("auto_update", on),
    }),
  );
}

function actionsPart(app, image, ui) {
  const show = (what) => {
    ui.doing = ui.doing === what ? "" : what;
    app.draw();
  };
  const close = (selector) => {
    ui.doing = "";
    app.draw();
    app.focus(selector);
  };
  return h(
    "div",
    { class: "lxi-actions" },
    h(
      "div",
      { class: "lxi-row" },
      button("Export …", () => show("export"), { "aria-expanded": ui.doing === "export" ? "true" : "false", class: "lxi-button lxi-do-export" }),
      button("Copy …", () => show("copy"), { "aria-expanded": ui.doing === "copy" ? "true" : "false", class: "lxi-button lxi-do-copy" }),
      image.refreshable &&
        button("Refresh", () => app.send("refresh", { key: image.key }), { title: "Have the server fetch a newer build from the image's source" }),
      image.writable &&
        button("Delete …", () => show("delete"), { "aria-expanded": ui.doing === "delete" ? "true" : "false", class: "lxi-button lxi-do-delete" }),
    ),
    ui.doing === "delete" &&
      question({
        title: `Delete ${image.title}?`, yes: "Delete", danger: true,
        text: `The image ${image.fingerprint.slice(0, 12)}${image.aliases.length ? ` and its ${image.aliases.length === 1 ? "alias" : `${image.aliases.length} aliases`}` : ""} will be gone from the server. Instances made from it stay.`,
        onYes: () => {
          ui.doing = "";
          app.send("delete", { key: image.key, confirmed: true });
        },
        onNo: () => close(".lxi-do-delete"),
      }),
    ui.doing === "copy" &&
      h(
        "form",
        {
          class: "lxi-form", key: "copy",
          onSubmit: (event) => {
            event.preventDefault();
            app.send("copy", {
              key: image.key, target: ui.target ?? "", aliases: ui.aliases ?? "", project: ui.project ?? "",
              auto_update: Boolean(ui.follow && image.follows),
            });
            close(".lxi-do-copy");
          },
          onKeydown: onEscape(() => close(".lxi-do-copy")),
        },
        field({
          id: app.ids("target").input, label: "To which server", value: ui.target ?? "", focus: true, placeholder: "staging, or unix:///path/unix.socket",
          hint: "A remote's name or an address, as for connect(). The copy is private.", onInput: (event) => (ui.target = event.target.value),
        }),
        field({ id: app.ids("there").input, label: "Aliases there", value: ui.aliases ?? "", onInput: (event) => (ui.aliases = event.target.value) }),
        field({
          id: app.ids("project").input, label: "Project there", value: ui.project ?? "", placeholder: "the one of the remote, else default",
          onInput: (event) => (ui.project = event.target.value),
        }),
        image.follows &&
          check({
            label: "Keep the copy current (auto-update)", checked: ui.follow,
            hint: " The server there fetches the image itself and looks for newer builds from time to time.",
            onChange: (on) => {
              ui.follow = on;
              app.draw();
            },
          }),
        h("div", { class: "lxi-row" }, h("button", { type: "submit", class: "lxi-button lxi-primary" }, "Copy"), button("Cancel", () => close(".lxi-do-copy"))),
      ),
    ui.doing === "export" &&
      h(
        "form",
        {
          class: "lxi-form", key: "export",
          onSubmit: (event) => {
            event.preventDefault();
            app.send("export", { key: image.key, folder: ui.folder ?? app.state.header.folder });
            close(".lxi-do-export");
          },
          onKeydown: onEscape(() => close(".lxi-do-export")),
        },
        field({
          id: app.ids("folder").input, label: "Folder on the kernel's machine", value: ui.folder ?? app.state.header.folder, focus: true,
          hint: "The file is named after the fingerprint and checked before it gets its name. An interrupted export goes on where it stopped.",
          onInput: (event) => (ui.folder = event.target.value),
        }),
        h("div", { class: "lxi-row" }, h("button", { type: "submit", class: "lxi-button lxi-primary" }, "Export"), button("Cancel", () => close(".lxi-do-export"))),
      ),
  );
}

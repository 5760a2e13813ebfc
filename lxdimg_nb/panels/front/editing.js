// Editing in place, one field at a time: Enter saves, Escape cancels.

function beginEdit(app, ui, spec) {
  ui.editing = { field: spec.field, name: spec.name || "", before: spec.before ?? "", value: spec.input ?? "", newName: "" };
  app.draw();
}

function endEdit(app, ui, back) {
  ui.editing = null;
  app.draw();
  if (back) app.focus(back);
}

function isEditing(ui, field, name) {
  return Boolean(ui.editing) && ui.editing.field === field && ui.editing.name === (name || "");
}

function editForm(app, image, ui, { label, type, hint, withName, back }) {
  const edit = ui.editing;
  const id = app.ids(`edit-${edit.field}`).input;
  return h(
    "form",
    {
      class: "lxi-edit", key: `edit-${edit.field}-${edit.name}`,
      onSubmit: (event) => {
        event.preventDefault();
        const content = { key: image.key, field: edit.field, name: withName ? edit.newName : edit.name, before: edit.before, value: edit.value };
        if (edit.field === "alias") app.send("add-alias", { key: image.key, name: edit.value });
        else app.send("edit", content);
        endEdit(app, ui, back);
      },
      onKeydown: onEscape(() => endEdit(app, ui, back)),
    },
    withName &&
      h("input", {
        type: "text", class: "lxi-input", placeholder: "name", "aria-label": "Name of the new property", autocomplete: "off",
        spellcheck: "false", value: edit.newName, ref: take, onInput: (event) => (edit.newName = event.target.value),
      }),
    h("input", {
      type: type || "text", class: "lxi-input", "aria-label": label, placeholder: withName ? "value" : undefined, autocomplete: "off",
      spellcheck: "false", value: edit.value, title: hint,
      ref: (n) => {
        n.id = id;
        if (!withName) take(n);
      },
      onInput: (event) => (edit.value = event.target.value),
    }),
    h("button", { type: "submit", class: "lxi-button lxi-primary" }, "Save"),
    button("Cancel", () => endEdit(app, ui, back)),
    hint && h("div", { class: "lxi-hint lxi-wide" }, hint),
  );
}

function pencil(app, ui, label, name, spec) {
  return h(
    "button",
    { type: "button", class: "lxi-button lxi-link lxi-pencil", "aria-label": label, title: label, "data-name": name, onClick: () => beginEdit(app, ui, spec) },
    "edit",
  );
}

function editable(app, image, ui, { field: name, label, value, input, type, hint }) {
  const back = `[data-name="edit-${name}"]`;
  return h(
    "dl",
    { class: "lxi-facts lxi-editable", key: `field-${name}` },
    h("dt", {}, label),
    h(
      "dd",
      { dir: "auto" },
      isEditing(ui, name)
        ? editForm(app, image, ui, { label, type, hint, back })
        : [h("span", {}, value), " ", image.writable && pencil(app, ui, `Edit ${label.toLowerCase()}`, `edit-${name}`, { field: name, input })],
    ),
  );
}

function aliasesPart(app, image, ui) {
  return [
    h("h4", { class: "lxi-heading" }, "Aliases"),
    image.aliases.length
      ? h(
          "ul",
          { class: "lxi-tags" },
          image.aliases.map((a) =>
            h(
              "li",
              { title: a.text || undefined, key: a.name },
              h("bdi", {}, a.name),
              image.writable &&
                h(
                  "button",
                  {
                    type: "button", class: "lxi-icon lxi-tiny", "aria-label": `Remove the alias ${a.name}`, title: "Remove this alias",
                    onClick: () => {
                      ui.dropping = a.name;
                      app.draw();
                    },
                  },
                  "×",
                ),
            ),
          ),
        )
      : h("p", { class: "lxi-none" }, "No alias points at it."),
    ui.dropping && image.aliases.some((a) => a.name === ui.dropping) &&
      question({
        title: `Remove the alias ${ui.dropping}?`, text: "The image stays; it can no longer be found by this name.", yes: "Remove", danger: true,
        onYes: () => {
          app.send("delete-alias", { key: image.key, name: ui.dropping });
          ui.dropping = "";
          app.draw();
        },
        onNo: () => {
          ui.dropping = "";
          app.draw();
        },
      }),
    image.writable &&
      (isEditing(ui, "alias")
        ? editForm(app, image, ui, { label: "New alias", back: '[data-name="new-alias"]' })
        : button("Add an alias", () => beginEdit(app, ui, { field: "alias" }), { kind: "link", "data-name": "new-alias" })),
  ];
}

function propertiesPart(app, image, ui) {
  return [
    h("h4", { class: "lxi-heading" }, "Properties"),
    image.properties.length
      ? h(
          "dl",
          { class: "lxi-facts lxi-properties" },
          image.properties.map((p) => [
            h("dt", { key: `name-${p.name}`, dir: "auto" }, p.name),
            h(
              "dd",
              { key: `value-${p.name}`, dir: "auto" },
              isEditing(ui, "properties", p.name)
                ? editForm(app, image, ui, { label: `Value of ${p.name}`, hint: "An empty value removes the property.", back: `[data-name="${CSS.escape(`property-${p.name}`)}"]` })
                : [
                    h("span", {}, p.value), " ",
                    !p.whole && h("span", { class: "lxi-hint", title: "Too long, or with characters that cannot be seen: change it with image.properties." }, "(not shown whole)"),
                    image.writable && p.whole && pencil(app, ui, `Edit ${p.name}`, `property-${p.name}`, { field: "properties", name: p.name, before: p.value, input: p.value }),
                  ],
            ),
          ]),
        )
      : h("p", { class: "lxi-none" }, "It has none."),
    image.more_properties > 0 && h("p", { class: "lxi-none" }, `and ${image.more_properties} more`),
    image.writable &&
      (isEditing(ui, "properties", "")
        ? editForm(app, image, ui, { label: "Value of the new property", withName: true, back: '[data-name="new-property"]' })
        : button("Add a property", () => beginEdit(app, ui, { field: "properties" }), { kind: "link", "data-name": "new-property" })),
  ];
}

// Editing in place, one field of an image at a time: Enter saves, Escape cancels.

import { Fragment, h } from "preact";
import { onEscape } from "../../keyboard.js";
import { Button } from "../controls/button.jsx";
import { TextInput } from "../controls/field.jsx";

/** @import { App } from "../../app.jsx" */
/** @import { Edit } from "../../store.js" */
/** @import { ImageProps } from "./image_detail.jsx" */

/**
 * @param {App} app
 * @param {string} key
 * @param {Pick<Edit, "field"> & Partial<Edit>} edit
 */
export function beginEdit(app, key, edit) {
  app.store.setImage(key, { editing: { name: "", before: "", value: "", newName: "", ...edit } });
}

/**
 * The edit of a field, if it is the one that is being edited.
 * @param {App} app
 * @param {string} key
 * @param {Edit["field"]} field
 * @param {string} [name]
 */
export function editOf(app, key, field, name = "") {
  const { editing } = app.store.image(key);
  return editing?.field === field && editing.name === name ? editing : null;
}

/**
 * @param {ImageProps & {
 *   edit: Edit,
 *   label: string,
 *   back: string,
 *   type?: "text" | "date",
 *   hint?: string,
 *   withName?: boolean,
 * }} props `back`: a selector of what gets the focus afterwards
 */
export function EditForm({ app, image, edit, label, back, type, hint, withName = false }) {
  const { key } = image;
  const { field, before, value, newName } = edit;
  const end = () => {
    app.store.setImage(key, { editing: null });
    app.focus(back);
  };
  /** @param {Partial<Edit>} change */
  const typed = (change) => app.store.setImage(key, { editing: { ...edit, ...change } });
  const save = () => {
    if (field === "alias") app.send("add-alias", { key, name: value });
    else app.send("edit", { key, field, name: withName ? newName : edit.name, before, value });
  };
  return (
    <form
      class="lxi-edit"
      onSubmit={(event) => {
        event.preventDefault();
        save();
        end();
      }}
      onKeyDown={onEscape(end)}
    >
      {withName && (
        <TextInput
          aria-label="Name of the new property"
          placeholder="name"
          value={newName}
          focus
          onText={(text) => typed({ newName: text })}
        />
      )}
      <TextInput
        type={type}
        aria-label={label}
        placeholder={withName ? "value" : undefined}
        title={hint}
        value={value}
        focus={!withName}
        onText={(text) => typed({ value: text })}
      />
      <Button type="submit" kind="primary">
        Save
      </Button>
      <Button onClick={end}>Cancel</Button>
      {hint && <div class="lxi-hint lxi-wide">{hint}</div>}
    </form>
  );
}

/** @param {{ label: string, name: string, onClick: () => void }} props */
export function Pencil({ label, name, onClick }) {
  return (
    <Button kind="link" class="lxi-pencil" aria-label={label} title={label} data-name={name} onClick={onClick}>
      edit
    </Button>
  );
}

/**
 * A field with one value.
 * @param {ImageProps & {
 *   field: "expires_at" | "profiles",
 *   label: string,
 *   shown: string,
 *   value: string,
 *   hint: string,
 *   type?: "text" | "date",
 * }} props
 */
export function EditableField({ app, image, field, label, shown, value, hint, type }) {
  const edit = editOf(app, image.key, field);
  const name = `edit-${field}`;
  return (
    <dl class="lxi-facts lxi-editable">
      <dt>{label}</dt>
      <dd>
        {edit ? (
          <EditForm
            app={app}
            image={image}
            edit={edit}
            label={label}
            type={type}
            hint={hint}
            back={`[data-name="${name}"]`}
          />
        ) : (
          <>
            <bdi>{shown}</bdi>{" "}
            {image.writable && (
              <Pencil
                label={`Edit ${label.toLowerCase()}`}
                name={name}
                onClick={() => beginEdit(app, image.key, { field, value })}
              />
            )}
          </>
        )}
      </dd>
    </dl>
  );
}

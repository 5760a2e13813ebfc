// The aliases that point at an image.

import { Fragment, h } from "preact";
import { Button, CloseButton } from "../controls/button.jsx";
import { Confirmation } from "../controls/confirmation.jsx";
import { beginEdit, EditForm, editOf } from "./editor.jsx";

/** @import { ImageProps } from "./image_detail.jsx" */

/** @param {ImageProps} props */
export function Aliases({ app, image }) {
  const { key, aliases, writable } = image;
  const { dropping } = app.store.image(key);
  const edit = editOf(app, key, "alias");
  return (
    <>
      <h4 class="lxi-heading">Aliases</h4>
      {aliases.length ? (
        <ul class="lxi-tags">
          {aliases.map(({ name, text }) => (
            <li key={name} title={text || undefined}>
              <bdi>{name}</bdi>
              {writable && (
                <CloseButton
                  label={`Remove the alias ${name}`}
                  title="Remove this alias"
                  small
                  onClick={() => app.store.setImage(key, { dropping: name })}
                />
              )}
            </li>
          ))}
        </ul>
      ) : (
        <p class="lxi-none">No alias points at it.</p>
      )}
      {aliases.some(({ name }) => name === dropping) && (
        <Confirmation
          title={`Remove the alias ${dropping}?`}
          text="The image stays; it can no longer be found by this name."
          yes="Remove"
          danger
          onYes={() => {
            app.send("delete-alias", { key, name: dropping });
            app.store.setImage(key, { dropping: "" });
          }}
          onNo={() => app.store.setImage(key, { dropping: "" })}
        />
      )}
      {writable && edit && (
        <EditForm app={app} image={image} edit={edit} label="New alias" back='[data-name="new-alias"]' />
      )}
      {writable && !edit && (
        <Button kind="link" data-name="new-alias" onClick={() => beginEdit(app, key, { field: "alias" })}>
          Add an alias
        </Button>
      )}
    </>
  );
}

// What can be done with an image: export, copy, refresh, delete.

import { h } from "preact";
import { onEscape } from "../../keyboard.js";
import { Button } from "../controls/button.jsx";
import { Checkbox } from "../controls/checkbox.jsx";
import { Confirmation } from "../controls/confirmation.jsx";
import { Field } from "../controls/field.jsx";

/** @import { ComponentChildren } from "preact" */
/** @import { ImageProps } from "./image_detail.jsx" */

/** @typedef {"export" | "copy" | "delete"} Action */

/** @param {ImageProps} props */
export function Actions({ app, image }) {
  const { key } = image;
  const { doing } = app.store.image(key);
  /** @param {Action} what */
  const close = (what) => {
    app.store.setImage(key, { doing: "" });
    app.focus(`.lxi-do-${what}`);
  };
  /** @param {Action} what */
  const opener = (what) => ({
    class: `lxi-do-${what}`,
    "aria-expanded": doing === what,
    onClick: () => app.store.setImage(key, { doing: doing === what ? "" : what }),
  });
  return (
    <div class="lxi-actions">
      <div class="lxi-row">
        <Button {...opener("export")}>Export …</Button>
        <Button {...opener("copy")}>Copy …</Button>
        {image.refreshable && (
          <Button
            title="Have the server fetch a newer build from the image's source"
            onClick={() => app.send("refresh", { key })}
          >
            Refresh
          </Button>
        )}
        {image.writable && <Button {...opener("delete")}>Delete …</Button>}
      </div>
      {doing === "delete" && <Delete app={app} image={image} close={() => close("delete")} />}
      {doing === "copy" && <Copy app={app} image={image} close={() => close("copy")} />}
      {doing === "export" && <Export app={app} image={image} close={() => close("export")} />}
    </div>
  );
}

/** @param {ImageProps & { close: () => void }} props */
function Delete({ app, image, close }) {
  const { key, title, fingerprint, aliases } = image;
  const names = aliases.length === 1 ? "alias" : `${aliases.length} aliases`;
  return (
    <Confirmation
      title={`Delete ${title}?`}
      text={`The image ${fingerprint.slice(0, 12)}${aliases.length ? ` and its ${names}` : ""} will be gone from the server. Instances made from it stay.`}
      yes="Delete"
      danger
      onYes={() => {
        app.store.setImage(key, { doing: "" });
        app.send("delete", { key, confirmed: true });
      }}
      onNo={close}
    />
  );
}

/** @param {ImageProps & { close: () => void }} props */
function Copy({ app, image, close }) {
  const { key } = image;
  const { target, aliases, project, follow } = app.store.image(key);
  return (
    <ActionForm
      label="Copy"
      close={close}
      onSubmit={() => app.send("copy", { key, target, aliases, project, auto_update: follow && image.follows })}
    >
      <Field
        id={app.id("target")}
        label="To which server"
        value={target}
        focus
        placeholder="staging, or unix:///path/unix.socket"
        hint="A remote's name or an address, as for connect(). The copy is private."
        onText={(text) => app.store.setImage(key, { target: text })}
      />
      <Field
        id={app.id("aliases-there")}
        label="Aliases there"
        value={aliases}
        onText={(text) => app.store.setImage(key, { aliases: text })}
      />
      <Field
        id={app.id("project-there")}
        label="Project there"
        value={project}
        placeholder="the one of the remote, else default"
        onText={(text) => app.store.setImage(key, { project: text })}
      />
      {image.follows && (
        <Checkbox
          label="Keep the copy current (auto-update)"
          checked={follow}
          hint=" The server there fetches the image itself and looks for newer builds from time to time."
          onChange={(on) => app.store.setImage(key, { follow: on })}
        />
      )}
    </ActionForm>
  );
}

/** @param {ImageProps & { close: () => void }} props */
function Export({ app, image, close }) {
  const { key } = image;
  const folder = app.store.image(key).folder ?? app.parts.header?.folder ?? "";
  return (
    <ActionForm label="Export" close={close} onSubmit={() => app.send("export", { key, folder })}>
      <Field
        id={app.id("folder")}
        label="Folder on the kernel's machine"
        value={folder}
        focus
        hint="The file is named after the fingerprint and checked before it gets its name. An interrupted export goes on where it stopped."
        onText={(text) => app.store.setImage(key, { folder: text })}
      />
    </ActionForm>
  );
}

/** @param {{ label: string, children: ComponentChildren, onSubmit: () => void, close: () => void }} props */
function ActionForm({ label, children, onSubmit, close }) {
  return (
    <form
      class="lxi-form"
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
        close();
      }}
      onKeyDown={onEscape(close)}
    >
      {children}
      <div class="lxi-row">
        <Button type="submit" kind="primary">
          {label}
        </Button>
        <Button onClick={close}>Cancel</Button>
      </div>
    </form>
  );
}

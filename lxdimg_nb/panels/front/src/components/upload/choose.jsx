// Where the file is, and which one.

import { Fragment, h } from "preact";
import { Button } from "../controls/button.jsx";
import { Field } from "../controls/field.jsx";
import { Message } from "../controls/message.jsx";
import { Slot } from "./slot.jsx";

/** @import { App } from "../../app.jsx" */

/** @param {{ app: App }} props */
export function Choose({ app }) {
  const { way, path, second, problem } = app.state.upload;
  const onKernel = way === "kernel";
  return (
    <form
      class="lxi-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (onKernel) app.send("check", { path, second });
        else app.outbox.send();
      }}
    >
      <div class="lxi-row lxi-ways" role="radiogroup" aria-label="Where the file is">
        <Way app={app} name="kernel" label="A file on the kernel's machine" />
        <Way app={app} name="browser" label="A file on this computer" />
      </div>
      {onKernel ? <PathFields app={app} /> : <Slots app={app} />}
      {problem && <Message text={problem} />}
      <div class="lxi-row">
        <Button type="submit" kind="primary">
          {onKernel ? "Check" : "Send and check"}
        </Button>
        <Button onClick={() => app.closeUpload()}>Close</Button>
        <span class="lxi-hint">
          {onKernel
            ? "Nothing goes to the server yet: the file is read and checked first."
            : "The file goes to the kernel's machine first and is checked there. It is sent to the server only when you say so."}
        </span>
      </div>
    </form>
  );
}

/** @param {{ app: App, name: "kernel" | "browser", label: string }} props */
function Way({ app, name, label }) {
  return (
    <label class="lxi-check">
      <input
        type="radio"
        name={app.id("way")}
        checked={app.state.upload.way === name}
        onChange={() => app.store.setUpload({ way: name })}
      />
      {label}
    </label>
  );
}

/** @param {{ app: App }} props */
function PathFields({ app }) {
  const { path, second } = app.state.upload;
  const known = app.id("paths");
  /** @param {"path" | "second"} name */
  const typed = (name) => (/** @type {string} */ text) => {
    app.store.setUpload({ [name]: text });
    app.complete(text);
  };
  return (
    <>
      <Field
        id={app.id("path")}
        label="Image file on the kernel's machine"
        value={path}
        placeholder="/path/to/image.tar.xz"
        list={known}
        focus
        onText={typed("path")}
      />
      <Field
        id={app.id("second")}
        label="Second file of a split image"
        value={second}
        placeholder="only if it comes in two files"
        hint="Metadata and root file system in any order; their content tells which is which."
        list={known}
        onText={typed("second")}
      />
      <datalist id={known}>
        {app.parts.paths?.found.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}

/** @param {{ app: App }} props */
function Slots({ app }) {
  return (
    <>
      <Slot app={app} slot="image" label="Image, or root file system of a split image" />
      <Slot
        app={app}
        slot="second"
        label="Metadata of a split image"
        hint="Only if the image comes in two files, in any order; their content tells which is which."
      />
    </>
  );
}

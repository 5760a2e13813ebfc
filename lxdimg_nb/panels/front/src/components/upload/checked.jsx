// What the check found, and what else the server is to be told.

import { Fragment, h } from "preact";
import { take } from "../../keyboard.js";
import { Button } from "../controls/button.jsx";
import { Checkbox } from "../controls/checkbox.jsx";
import { Facts } from "../controls/facts.jsx";
import { Field } from "../controls/field.jsx";
import { Message } from "../controls/message.jsx";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

/** @param {{ app: App, upload: messages.UploadChecked }} props */
export function Checked({ app, upload: { ok, bare, facts, problems, notes } }) {
  const { aliases, public: visible, made } = app.state.upload;
  return (
    <form
      class="lxi-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (ok) app.send("upload", { aliases, public: visible });
        else if (bare) app.send("make-metadata", made);
      }}
    >
      {problems.map((text) => (
        <Message key={text} text={text} />
      ))}
      <Facts facts={facts} />
      {notes.map((text) => (
        <p key={text} class="lxi-hint">
          {text}
        </p>
      ))}
      {bare && <MetadataFields app={app} />}
      {ok && (
        <Field
          id={app.id("aliases")}
          label="Aliases"
          value={aliases}
          placeholder="web web/2026-11"
          hint="Separated by spaces, in quotes where a name contains one; may be left empty."
          onText={(text) => app.store.setUpload({ aliases: text })}
        />
      )}
      {ok && (
        <Checkbox
          label="Public"
          checked={visible}
          hint=" – visible without authentication to everyone who reaches the server"
          onChange={(on) => app.store.setUpload({ public: on })}
        />
      )}
      <div class="lxi-row">
        {ok && (
          <Button type="submit" kind="primary" innerRef={take}>
            {visible ? "Upload as public image" : "Upload"}
          </Button>
        )}
        {bare && (
          <Button type="submit" kind="primary">
            Make the metadata
          </Button>
        )}
        <Button onClick={() => app.send("unload", {})}>Choose another file</Button>
      </div>
    </form>
  );
}

const FIELDS = /** @type {const} */ ([
  ["os", "System", "debian", ""],
  ["release", "Release", "bookworm", ""],
  ["architecture", "Architecture", "x86_64", ""],
  ["image", "Container image", "app:1.0", "Only if the file holds several."],
]);

/** What the metadata are to say. @param {{ app: App }} props */
function MetadataFields({ app }) {
  const { made } = app.state.upload;
  return (
    <>
      <p class="lxi-hint">What you leave empty is read from the file.</p>
      {FIELDS.map(([name, label, placeholder, hint], number) => (
        <Field
          key={name}
          id={app.id(`made-${name}`)}
          label={label}
          value={made[name]}
          placeholder={placeholder}
          hint={hint}
          focus={number === 0}
          onText={(text) => app.store.setUpload({ made: { ...made, [name]: text } })}
        />
      ))}
    </>
  );
}

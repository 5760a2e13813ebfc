// What the check found, and what else the server is to be told.

import { h } from "preact";
import { take } from "../../keyboard.js";
import { Button } from "../controls/button.jsx";
import { Checkbox } from "../controls/checkbox.jsx";
import { Facts } from "../controls/facts.jsx";
import { Field } from "../controls/field.jsx";
import { Message } from "../controls/message.jsx";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

/** @param {{ app: App, upload: messages.UploadChecked }} props */
export function Checked({ app, upload: { ok, facts, problems, notes } }) {
  const { aliases, public: visible } = app.state.upload;
  return (
    <form
      class="lxi-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (ok) app.send("upload", { aliases, public: visible });
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
      {ok && (
        <Field
          id={app.id("aliases")}
          label="Aliases"
          value={aliases}
          placeholder="web web/2026-11"
          hint="Separated by spaces; may be left empty."
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
        <Button onClick={() => app.send("unload", {})}>Choose another file</Button>
      </div>
    </form>
  );
}

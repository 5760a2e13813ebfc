// The place for one file of this computer.

import { h } from "preact";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

/** @param {{ app: App, slot: messages.Slot, label: string, hint?: string }} props */
export function Slot({ app, slot, label, hint }) {
  const id = app.id(`file-${slot}`);
  return (
    <div class="lxi-field">
      <label class="lxi-label" for={id}>
        {label}
      </label>
      <input
        type="file"
        class="lxi-file"
        id={id}
        data-name={`file-${slot}`}
        onChange={(event) =>
          app.store.setUpload({
            files: { ...app.state.upload.files, [slot]: event.currentTarget.files?.[0] ?? null },
            problem: "",
          })
        }
      />
      {hint && <div class="lxi-hint">{hint}</div>}
    </div>
  );
}

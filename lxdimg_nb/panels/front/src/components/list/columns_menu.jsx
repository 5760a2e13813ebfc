// The menu where columns are chosen.

import { h } from "preact";
import { onEscape } from "../../keyboard.js";
import { Checkbox } from "../controls/checkbox.jsx";
import { FLEET_COLUMN } from "./fleet_column.jsx";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

/** @param {{ app: App, shown: string[], columns: messages.Column[] }} props */
export function ColumnsMenu({ app, shown, columns }) {
  return (
    <details
      class="lxi-menu"
      onKeyDown={onEscape((/** @type {HTMLDetailsElement} */ menu) => {
        menu.open = false;
        menu.querySelector("summary")?.focus();
      })}
    >
      <summary class="lxi-button">Columns</summary>
      <div class="lxi-menu-box" role="group" aria-label="Columns">
        {columns
          .filter(({ name }) => name !== FLEET_COLUMN)
          .map(({ name, title }) => (
            <Checkbox
              key={name}
              label={title}
              checked={shown.includes(name)}
              onChange={(on) =>
                app.send("columns", { columns: on ? [...shown, name] : shown.filter((other) => other !== name) })
              }
            />
          ))}
      </div>
    </details>
  );
}

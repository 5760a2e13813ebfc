// One filter that is switched on and off by a click.

import { h } from "preact";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

/** @param {{ app: App, chip: messages.Chip, chosen: string[] }} props */
export function Chip({ app, chip, chosen }) {
  const on = chosen.includes(chip.name);
  const others = chosen.filter((name) => name !== chip.name);
  return (
    <button
      type="button"
      class="lxi-chip"
      title={chip.hint}
      aria-pressed={on}
      onClick={() => app.look("chips", { chips: on ? others : [...others, chip.name] })}
    >
      {chip.title}
    </button>
  );
}

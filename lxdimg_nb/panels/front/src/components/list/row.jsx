// One image of the list.

import { h } from "preact";
import { FLEET_COLUMN, FleetCell } from "./fleet_column.jsx";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

// A longer text may be cut by its column: then a tooltip shows all of it.
const LONG = 18;

/** @param {messages.Cell | undefined} cell */
const textOf = (cell = "") => (typeof cell === "string" ? cell : cell[0]);

/** @param {{ app: App, row: messages.Row, at: number, columns: messages.Column[], open: boolean }} props */
export function Row({ app, row, at, columns, open }) {
  const { key, cells, selected = false } = row;
  const names = [open && "lxi-open", selected && "lxi-selected"].filter(Boolean).join(" ");
  const main = columns[0]?.name === FLEET_COLUMN ? 1 : 0;
  return (
    <tr
      class={names}
      data-key={key}
      aria-current={open || undefined}
      onClick={(event) => !closest(event, "input, label, button") && app.open(key)}
      onFocusIn={() => app.atRow(at)}
      onKeyDown={move}
    >
      <td class="lxi-c-check">
        <input
          type="checkbox"
          checked={selected}
          aria-label={`Select ${textOf(cells[0]) || textOf(cells[1]) || key}`}
          tabIndex={app.stop(at)}
          onChange={(event) => app.select({ keys: [key], on: event.currentTarget.checked })}
        />
      </td>
      {columns.map((column, i) => {
        if (column.name === FLEET_COLUMN) return <FleetCell key={column.name} server={textOf(cells[i])} />;
        const cell = cells[i];
        const text = textOf(cell);
        const hint = typeof cell === "object" ? cell[1] : text.length > LONG ? text : undefined;
        const words = <Words column={column} text={text} />;
        return (
          <td key={column.name} class={`lxi-c-${column.kind} lxi-n-${column.name}`} title={hint}>
            {i !== main ? (
              words
            ) : (
              <button
                type="button"
                class={text ? "lxi-name" : "lxi-name lxi-unnamed"}
                tabIndex={app.stop(at)}
                // A button pressed by a key gets a click event with the detail 0.
                onClick={(event) => app.open(key, event.detail === 0)}
              >
                {text ? words : column.name === "alias" ? "no alias" : "open"}
              </button>
            )}
          </td>
        );
      })}
    </tr>
  );
}

/** @param {{ column: messages.Column, text: string }} props */
function Words({ column, text }) {
  if (column.kind !== "flag") return <bdi>{text}</bdi>;
  return <span class={text === "yes" ? `lxi-badge lxi-is-${column.name}` : "lxi-no"}>{text}</span>;
}

/**
 * @param {Event} event
 * @param {string} selector
 */
function closest(event, selector) {
  return event.target instanceof Element ? event.target.closest(selector) : null;
}

/**
 * The arrow keys go from row to row. Tab stops at one row, then goes on after the table.
 * @param {KeyboardEvent & { currentTarget: HTMLTableRowElement }} event
 */
function move(event) {
  const row = event.currentTarget;
  const last = row.parentElement?.lastElementChild;
  const first = row.parentElement?.firstElementChild;
  const places = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling, Home: first, End: last };
  const to = Object.hasOwn(places, event.key) && places[/** @type {keyof typeof places} */ (event.key)];
  if (!to) return;
  event.preventDefault();
  const what = closest(event, "td")?.matches(".lxi-c-check") ? "input" : ".lxi-name";
  /** @type {HTMLElement | null} */ (to.querySelector(what))?.focus();
}

// The heading of a column: a click sorts by it, another one the other way round.

import { h } from "preact";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

/** @param {{ app: App, column: messages.Column, page: messages.Page }} props */
export function Heading({ app, column, page }) {
  const { name, title, kind } = column;
  const sorted = page.sort === name;
  return (
    <th
      scope="col"
      class={`lxi-c-${kind} lxi-n-${name}`}
      aria-sort={sorted ? (page.down ? "descending" : "ascending") : "none"}
    >
      <button type="button" class="lxi-sort" onClick={() => app.look("sort", { column: name })}>
        {title}
        <span class="lxi-arrow" aria-hidden="true">
          {sorted ? (page.down ? "▾" : "▴") : ""}
        </span>
      </button>
    </th>
  );
}

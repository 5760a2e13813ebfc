// The table of one page of images.

import { h } from "preact";
import { Button } from "../controls/button.jsx";
import { Heading } from "./heading.jsx";
import { Row } from "./row.jsx";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

/** @param {{ app: App, page: messages.Page, choices: messages.Column[] }} props */
export function ImageTable({ app, page, choices }) {
  const columns = page.columns.flatMap((name) => choices.find((column) => column.name === name) ?? []);
  const selected = page.rows.filter((row) => row.selected).length;
  return (
    <div class="lxi-scroll" role="region" aria-label="Images" tabIndex={-1}>
      <table class="lxi-table">
        <thead>
          <tr>
            <th scope="col" class="lxi-c-check">
              <input
                type="checkbox"
                aria-label="Select all on this page"
                checked={selected > 0 && selected === page.rows.length}
                indeterminate={selected > 0 && selected < page.rows.length}
                onChange={(event) => app.select({ what: "page", on: event.currentTarget.checked })}
              />
            </th>
            {columns.map((column) => (
              <Heading key={column.name} app={app} column={column} page={page} />
            ))}
          </tr>
        </thead>
        <tbody>
          {page.rows.map((row, at) => (
            <Row key={row.key} app={app} row={row} at={at} columns={columns} open={page.open === row.key} />
          ))}
        </tbody>
      </table>
      {!page.matching && (
        <div class="lxi-empty lxi-small">
          No image matches. <Button onClick={() => app.clearSearch()}>Clear the search</Button>
        </div>
      )}
    </div>
  );
}

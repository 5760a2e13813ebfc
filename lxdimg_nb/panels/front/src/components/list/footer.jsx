// Below the list: how many images, how many are selected, and the pages.

import { h } from "preact";
import { countOf } from "../../store.js";
import { Button } from "../controls/button.jsx";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

const SIZES = /** @type {const} */ ([10, 20, 50, 100]);

/** @param {number} count */
const words = (count) => count.toLocaleString("en");

/** @param {{ app: App, page: messages.Page }} props */
export function Footer({ app, page }) {
  const { matching, bytes, selected, pages } = page;
  return (
    <div class="lxi-footer">
      <span>{[countOf(page), bytes].filter(Boolean).join(", ")}</span>
      {selected > 0 && (
        <span class="lxi-row">
          {`${words(selected)} selected`}
          {selected < matching && (
            <Button kind="link" onClick={() => app.select({ what: "found", on: true })}>
              {`Select all ${words(matching)}`}
            </Button>
          )}
          <Button kind="link" onClick={() => app.select({ what: "found", on: false })}>
            Select none
          </Button>
        </span>
      )}
      <span class="lxi-space" />
      {(pages > 1 || matching > SIZES[0]) && <Pages app={app} page={page} />}
    </div>
  );
}

/** @param {{ app: App, page: messages.Page }} props */
function Pages({ app, page: { page, pages, size } }) {
  const last = page >= pages - 1;
  return (
    <span class="lxi-row">
      <label class="lxi-row">
        Rows
        <select
          class="lxi-select"
          value={String(size)}
          onChange={(event) => app.resize(SIZES.find((n) => n === Number(event.currentTarget.value)) ?? SIZES[0])}
        >
          {SIZES.map((n) => (
            <option key={n} value={String(n)}>
              {n}
            </option>
          ))}
        </select>
      </label>
      <Turn app={app} label="First page" to={0} off={page === 0} sign="«" />
      <Turn app={app} label="Previous page" to={page - 1} off={page === 0} sign="‹" />
      <span class="lxi-page">{`Page ${words(page + 1)} of ${words(pages)}`}</span>
      <Turn app={app} label="Next page" to={page + 1} off={last} sign="›" />
      <Turn app={app} label="Last page" to={pages - 1} off={last} sign="»" />
    </span>
  );
}

/** @param {{ app: App, sign: string, label: string, to: number, off: boolean }} props */
function Turn({ app, sign, label, to, off }) {
  return (
    <Button
      class="lxi-turn"
      aria-label={label}
      title={label}
      aria-disabled={off || undefined}
      onClick={() => !off && app.look("page", { page: to })}
    >
      {sign}
    </Button>
  );
}

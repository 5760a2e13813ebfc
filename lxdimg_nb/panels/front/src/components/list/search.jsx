// The search field, the chips and the menu of columns.

import { h } from "preact";
import { Chip } from "./chip.jsx";
import { ChipLookup } from "./chip_lookup.jsx";
import { ColumnsMenu } from "./columns_menu.jsx";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

const HELP =
  "A word is searched in aliases, fingerprint and description. FIELD=VALUE, !=, <, >: os=ubuntu release=noble,jammy " +
  "public=yes size>1GiB age>90d idle>30d alias=web-*";

/** @param {{ app: App, page: messages.Page, chips: messages.Chip[], columns: messages.Column[] }} props */
export function Search({ app, page, chips, columns }) {
  return (
    <div class="lxi-tools">
      <input
        type="search"
        class="lxi-input lxi-search"
        placeholder="Search, or filter: os=ubuntu size>1GiB age>90d"
        aria-label="Search images"
        autocomplete="off"
        spellcheck={false}
        value={app.state.query ?? page.query}
        aria-invalid={page.problem ? true : undefined}
        title={HELP}
        onInput={(event) => app.search(event.currentTarget.value)}
      />
      <div class="lxi-chips" role="group" aria-label="Only images that are">
        {chips.map((chip) => (
          <Chip key={chip.name} app={app} chip={chip} chosen={page.chips} />
        ))}
      </div>
      <ColumnsMenu app={app} shown={page.columns} columns={columns} />
      {page.problem && (
        <div class="lxi-problem" role="status" dir="auto">
          {page.problem}
        </div>
      )}
      {page.lookups.map((lookup) => (
        <ChipLookup key={lookup.name} app={app} lookup={lookup} chosen={page.chips} />
      ))}
    </div>
  );
}

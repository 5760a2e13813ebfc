// The head of a panel: the server, the project, and whether changes made elsewhere arrive.

import { h } from "preact";
import { pageOf } from "../store.js";
import { Button } from "./controls/button.jsx";

/** @import { App } from "../app.jsx" */
/** @import * as messages from "../message_types" */

const LIVE = { live: "live", polling: "every 30 s", lost: "reconnecting …", closed: "", off: "" };

/** @param {{ app: App, header: messages.Header }} props */
export function Header({ app, header }) {
  const many = header.kind !== "image";
  const { open } = app.state.upload;
  return (
    <div class="lxi-header">
      <span class="lxi-product">{header.product}</span>
      <span class="lxi-address" title={header.address}>
        {header.address}
      </span>
      {header.project && <Project app={app} header={header} />}
      {header.kind !== "fleet" && !header.catalogue && (
        <span class={`lxi-badge ${header.trusted ? "lxi-is-trusted" : "lxi-is-untrusted"}`}>
          {header.trusted ? "trusted" : "not trusted"}
        </span>
      )}
      {header.catalogue && <span class="lxi-badge">read-only</span>}
      <span class="lxi-space" />
      <LiveDot app={app} header={header} />
      {many && (
        <Button title="Read the list again" onClick={() => app.send("reload", {})}>
          Reload
        </Button>
      )}
      {header.uploads && (
        <Button
          kind="primary"
          class="lxi-do-upload"
          aria-expanded={open}
          onClick={() => (open ? app.closeUpload() : app.openUpload())}
        >
          Upload …
        </Button>
      )}
    </div>
  );
}

/** @param {{ app: App, header: messages.Header }} props */
function Project({ app, header }) {
  const { projects = [], more_projects: more = "" } = app.parts;
  return (
    <span class="lxi-row">
      project
      {header.kind !== "image" && projects.length > 1 ? (
        <select
          class="lxi-select"
          aria-label="Project"
          value={header.project}
          onChange={(event) => app.switchProject(event.currentTarget.value)}
        >
          {projects.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
          {more && <option disabled>{more}</option>}
        </select>
      ) : (
        <strong>{header.project}</strong>
      )}
      {header.images_of && <span class="lxi-hint">{`shows the images of ${header.images_of}`}</span>}
    </span>
  );
}

/** @param {{ app: App, header: messages.Header }} props */
function LiveDot({ app, header }) {
  const page = pageOf(app.parts);
  const asOf = page?.read_at ? `as of ${page.read_at}` : "";
  return (
    <span class={`lxi-live lxi-live-${header.live}`} title={header.live_text} role="status">
      <span class="lxi-dot" aria-hidden="true" />
      {page?.state === "reloading" ? "reading …" : LIVE[header.live] || asOf}
    </span>
  );
}

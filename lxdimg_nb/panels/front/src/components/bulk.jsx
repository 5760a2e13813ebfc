// Actions on the selected images, and the plan that is shown before anything is done.

import { Fragment, h } from "preact";
import { onEscape, take } from "../keyboard.js";
import { Button } from "./controls/button.jsx";
import { TextInput } from "./controls/field.jsx";
import { Message, Waiting } from "./controls/message.jsx";
import { ProgressBar } from "./controls/progress_bar.jsx";

/** @import { App } from "../app.jsx" */
/** @import * as messages from "../message_types" */

/** @param {{ app: App, selected: number }} props */
export function Bulk({ app, selected }) {
  const { header, bulk = { state: "empty" } } = app.parts;
  if (header?.kind !== "browser" || (!selected && bulk.state === "empty")) return null;
  return (
    <section class="lxi-bulk" aria-label="Selected images">
      {(bulk.state === "empty" || bulk.state === "refused") && selected > 0 && (
        <Actions app={app} trusted={header.trusted} selected={selected} />
      )}
      {bulk.state === "refused" && <Message text={bulk.text} onDismiss={() => app.send("unplan", {})} />}
      {bulk.state === "planning" && <Waiting text="Planning …" />}
      {bulk.state === "planned" && <Plan app={app} plan={bulk} />}
      {bulk.state === "working" && <Work app={app} job={bulk.job} />}
      {bulk.state === "applied" && (
        <>
          <Message text={bulk.text} good={bulk.good} onDismiss={() => app.send("unplan", {})} />
          {bulk.rows.length > 0 && <Rows headers={["Alias", "Fingerprint", "State", "Why"]} {...bulk} />}
        </>
      )}
    </section>
  );
}

/** @param {{ app: App, trusted: boolean, selected: number }} props */
function Actions({ app, trusted, selected }) {
  const { asking, name, value, folder } = app.state.bulk;
  /** @param {messages.ToKernel["plan"]} what */
  const plan = (what) => {
    app.store.setBulk({ asking: "" });
    app.send("plan", what);
  };
  /** @param {"property" | "export"} what */
  const ask = (what) => app.store.setBulk({ asking: asking === what ? "" : what });
  return (
    <>
      <div class="lxi-row">
        <strong>{`${selected.toLocaleString("en")} selected`}</strong>
        {trusted && (
          <>
            <Button onClick={() => plan({ action: "public" })}>Make public …</Button>
            <Button onClick={() => plan({ action: "private" })}>Make private …</Button>
            <Button onClick={() => plan({ action: "update" })}>Auto-update on …</Button>
            <Button onClick={() => plan({ action: "no-update" })}>Auto-update off …</Button>
            <Button aria-expanded={asking === "property"} onClick={() => ask("property")}>
              Set a property …
            </Button>
            <Button onClick={() => plan({ action: "refresh" })}>Refresh …</Button>
          </>
        )}
        <Button aria-expanded={asking === "export"} onClick={() => ask("export")}>
          Export …
        </Button>
        {trusted && <Button onClick={() => plan({ action: "delete" })}>Delete …</Button>}
      </div>
      {asking === "property" && (
        <PlanForm onCancel={() => ask("property")} onSubmit={() => plan({ action: "property", name, value })}>
          <PlanField
            label="Name of the property"
            value={name}
            onText={(text) => app.store.setBulk({ name: text })}
            focus
          />
          <PlanField
            label="Value (empty removes it)"
            value={value}
            onText={(text) => app.store.setBulk({ value: text })}
          />
        </PlanForm>
      )}
      {asking === "export" && (
        <PlanForm
          onCancel={() => ask("export")}
          onSubmit={() => plan({ action: "export", value: folder || app.parts.header?.folder || "" })}
        >
          <PlanField
            label="Folder on the kernel's machine"
            value={folder}
            onText={(text) => app.store.setBulk({ folder: text })}
            focus
          />
        </PlanForm>
      )}
    </>
  );
}

/** @param {{ children: import("preact").ComponentChildren, onSubmit: () => void, onCancel: () => void }} props */
function PlanForm({ children, onSubmit, onCancel }) {
  return (
    <form
      class="lxi-edit"
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
      onKeyDown={onEscape(onCancel)}
    >
      {children}
      <Button type="submit" kind="primary">
        Show the plan
      </Button>
      <Button onClick={onCancel}>Cancel</Button>
    </form>
  );
}

/** @param {{ label: string, value: string, onText: (text: string) => void, focus?: boolean }} props */
function PlanField({ label, ...rest }) {
  return <TextInput aria-label={label} placeholder={label} {...rest} />;
}

/** @param {{ headers: string[], rows: string[][], more: number }} props */
function Rows({ headers, rows, more }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
    <div class="lxi-scroll lxi-plan" tabIndex={0} role="region" aria-label="Plan" ref={take}>
      <table class="lxi-table">
        <thead>
          <tr>
            {headers.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row[1]}>
              {row.map((cell, i) => (
                <td key={headers[i]} title={cell}>
                  <bdi>{cell}</bdi>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more > 0 && <p class="lxi-hint">{`and ${more.toLocaleString("en")} more`}</p>}
    </div>
  );
}

/** @param {{ app: App, plan: messages.BulkPlanned }} props */
function Plan({ app, plan }) {
  const { yes, danger, hint } = plan;
  return (
    <>
      <strong role="status">{yes ? `Plan: ${yes.charAt(0).toLowerCase()}${yes.slice(1)}` : "Nothing to do"}</strong>
      {danger && <p class="lxi-warning">{danger}</p>}
      <Rows headers={["Alias", "Fingerprint", "Change", "Reason"]} {...plan} />
      <div class="lxi-row">
        {yes && (
          <Button kind={danger ? "danger" : "primary"} onClick={() => app.send("apply", { confirmed: true })}>
            {yes}
          </Button>
        )}
        <Button onClick={() => app.send("unplan", {})}>{yes ? "Cancel" : "Close"}</Button>
        {yes && hint && <span class="lxi-hint">{hint}</span>}
      </div>
    </>
  );
}

/** @param {{ app: App, job: number }} props */
function Work({ app, job }) {
  const transfer = app.parts.transfers?.find((t) => t.job === job);
  return (
    <>
      <ProgressBar fraction={transfer?.fraction} label="Applied" />
      <div class="lxi-row">
        <span class="lxi-hint">{transfer?.text}</span>
        <Button onClick={() => app.send("cancel", { job })}>Stop</Button>
      </div>
    </>
  );
}

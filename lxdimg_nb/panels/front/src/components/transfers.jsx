// The transfers of the kernel, running and ended, with bar, rate and Cancel.

import { h } from "preact";
import { Button } from "./controls/button.jsx";
import { ProgressBar } from "./controls/progress_bar.jsx";

/** @import { App } from "../app.jsx" */
/** @import * as messages from "../message_types" */

const MOST = 12;

/** @param {messages.Transfer} transfer */
const ended = ({ state }) => state !== "waiting" && state !== "running";

/** @param {{ app: App }} props */
export function Transfers({ app }) {
  const { transfers = [] } = app.parts;
  if (!transfers.length) return null;
  return (
    <section class="lxi-transfers" aria-label="Transfers">
      <div class="lxi-detail-head">
        <h4 class="lxi-heading">Transfers</h4>
        {transfers.some(ended) && (
          <Button kind="link" onClick={() => app.send("forget", {})}>
            Clear finished
          </Button>
        )}
      </div>
      <ul class="lxi-jobs">
        {transfers
          .slice(-MOST)
          .reverse()
          .map((transfer) => (
            <Transfer key={transfer.job} app={app} transfer={transfer} />
          ))}
      </ul>
    </section>
  );
}

/** @param {{ app: App, transfer: messages.Transfer }} props */
function Transfer({ app, transfer }) {
  const { job, title, where, state, fraction, text, stopping, files } = transfer;
  const over = ended(transfer);
  return (
    <li class={`lxi-job lxi-job-${state}`} data-job={job}>
      <span class="lxi-job-title" title={where} dir="auto">
        {title}
      </span>
      {over ? (
        <span class={`lxi-badge lxi-is-${state}`}>{state}</span>
      ) : (
        <ProgressBar fraction={fraction} label={title} />
      )}
      <span class="lxi-job-text" dir="auto" title={text} role={over ? "status" : undefined}>
        {state === "waiting" && !stopping ? "waiting for its turn" : text}
      </span>
      {files.map(({ path }) => (
        <FetchLink key={path} path={path} url={app.state.links[path]} />
      ))}
      {!over && (
        <Button
          aria-label={`Cancel ${title}`}
          aria-disabled={stopping || undefined}
          onClick={() => !stopping && app.send("cancel", { job })}
        >
          {stopping ? "Cancelling …" : "Cancel"}
        </Button>
      )}
    </li>
  );
}

/** A link to a file that the page's Jupyter server serves as well. @param {{ path: string, url?: string | null }} props */
function FetchLink({ path, url }) {
  const name = path.split("/").pop();
  return url ? (
    <a class="lxi-fetch" href={url} download={name} rel="noopener" title={name}>
      Fetch
    </a>
  ) : null;
}

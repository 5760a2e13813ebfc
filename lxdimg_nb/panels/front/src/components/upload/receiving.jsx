// Files of a browser's that the kernel is receiving.

import { Fragment, h } from "preact";
import { Button } from "../controls/button.jsx";
import { ProgressBar } from "../controls/progress_bar.jsx";

/** @import { App } from "../../app.jsx" */

/** @param {{ app: App, jobs: number[] }} props */
export function Receiving({ app, jobs }) {
  const { sending } = app.state;
  return (
    <div class="lxi-form">
      {jobs.map((job) => {
        const transfer = app.parts.transfers?.find((t) => t.job === job);
        return (
          <Fragment key={job}>
            <p dir="auto">{transfer?.title ?? "Receiving"}</p>
            <ProgressBar fraction={transfer?.fraction} label="Received" />
            <span class="lxi-hint">{transfer?.text}</span>
          </Fragment>
        );
      })}
      {!sending && (
        <p class="lxi-hint">
          This page does not send it: it was reloaded, or another window sends it. Choose the same file again to go on
          where it stopped.
        </p>
      )}
      <div class="lxi-row">
        {!sending && <Button onClick={() => app.chooseAgain()}>Choose the file again</Button>}
        <Button onClick={() => app.send("unload", {})}>Cancel</Button>
      </div>
    </div>
  );
}

// A file is being checked or uploaded.

import { h } from "preact";
import { Button } from "../controls/button.jsx";
import { ProgressBar } from "../controls/progress_bar.jsx";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

/** @param {{ app: App, upload: messages.UploadAtWork }} props */
export function AtWork({ app, upload: { state, job, name } }) {
  const transfer = app.parts.transfers?.find((t) => t.job === job);
  const words = state === "checking" ? "Checking the file" : `Uploading ${name}`;
  return (
    <div class="lxi-form">
      <p dir="auto">{words}</p>
      <ProgressBar fraction={transfer?.fraction} label={words} />
      <div class="lxi-row">
        <span class="lxi-hint lxi-grow">{transfer?.text}</span>
        <Button onClick={() => app.send("cancel", { job })}>Cancel</Button>
      </div>
    </div>
  );
}

// The upload form: a file on the kernel's machine or on this computer is checked, shown, then uploaded.

import { h } from "preact";
import { onEscape } from "../../keyboard.js";
import { CloseButton } from "../controls/button.jsx";
import { Message } from "../controls/message.jsx";
import { AtWork } from "./at_work.jsx";
import { Checked } from "./checked.jsx";
import { Choose } from "./choose.jsx";
import { Receiving } from "./receiving.jsx";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

/** @param {{ app: App }} props */
export function UploadForm({ app }) {
  /** @type {messages.Upload} */
  const upload = app.parts.upload ?? { state: "empty" };
  return (
    <section class="lxi-upload" aria-label="Upload an image" onKeyDown={onEscape(() => app.closeUpload())}>
      <div class="lxi-detail-head">
        <h3 class="lxi-title">Upload an image</h3>
        <CloseButton label="Close upload" title="Close" onClick={() => app.closeUpload()} />
      </div>
      {upload.state === "done" && <Message text={upload.text} good />}
      {upload.state === "refused" && <Message text={upload.text} />}
      {upload.state === "receiving" ? (
        <Receiving app={app} jobs={upload.jobs} />
      ) : upload.state === "checking" || upload.state === "uploading" ? (
        <AtWork app={app} upload={upload} />
      ) : upload.state === "checked" ? (
        <Checked app={app} upload={upload} />
      ) : (
        <Choose app={app} />
      )}
    </section>
  );
}

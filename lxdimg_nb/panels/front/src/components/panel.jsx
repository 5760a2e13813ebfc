// The whole panel.

import { h } from "preact";
import { BUSY, NO_ANSWER, NO_KERNEL, WAITING } from "../words.js";
import { Message, Waiting } from "./controls/message.jsx";
import { Header } from "./header.jsx";
import { ImageDetail } from "./image/image_detail.jsx";
import { ImageList } from "./list/image_list.jsx";
import { Transfers } from "./transfers.jsx";
import { UploadForm } from "./upload/upload_form.jsx";

/** @import { App } from "../app.jsx" */

/** @param {{ app: App }} props */
export function Panel({ app }) {
  const { header, detail, notices = [] } = app.parts;
  if (!header) {
    const { link } = app.state;
    return (
      <div class="lxi-panel">
        {link === "new" || link === "ok" ? <Waiting text={WAITING} /> : <LinkBanner app={app} />}
      </div>
    );
  }
  const many = header.kind !== "image";
  const { said } = app.state;
  return (
    <div class={`lxi-panel lxi-kind-${header.kind}`}>
      <div class="lxi-said" role="status">
        <span key={said.number}>{said.text}</span>
      </div>
      <Header app={app} header={header} />
      <LinkBanner app={app} />
      {header.distrust && (
        <div class="lxi-message lxi-warn" role="note" dir="auto">
          {header.distrust}
        </div>
      )}
      {notices.map(({ number, text, good }) => (
        <div key={number}>
          <Message text={text} good={good} onDismiss={() => app.send("dismiss", { notice: number })} />
        </div>
      ))}
      {app.state.upload.open && <UploadForm app={app} />}
      <div class={detail ? "lxi-body lxi-two" : "lxi-body"}>
        {many && (
          <div class="lxi-left">
            <ImageList app={app} />
            <Transfers app={app} />
          </div>
        )}
        {detail && <ImageDetail key={detail.key} app={app} image={detail} />}
        {!many && !detail && <div class="lxi-empty">The image is gone.</div>}
      </div>
      {!many && <Transfers app={app} />}
    </div>
  );
}

/** Says that the kernel does not answer. @param {{ app: App }} props */
function LinkBanner({ app }) {
  const { link, parts } = app.state;
  if (link === "lost") {
    return (
      <div class="lxi-message lxi-bad" role="alert">
        {NO_KERNEL}
      </div>
    );
  }
  if (link !== "busy") return null;
  return (
    <div class="lxi-message lxi-warn" role="status">
      {parts.header ? BUSY : NO_ANSWER}
    </div>
  );
}

// The list of images: one page of text. The kernel searches, sorts, turns pages and selects.

import { h } from "preact";
import { pageOf } from "../../store.js";
import { Bulk } from "../bulk.jsx";
import { Button } from "../controls/button.jsx";
import { Waiting } from "../controls/message.jsx";
import { Footer } from "./footer.jsx";
import { ImageTable } from "./image_table.jsx";
import { Search } from "./search.jsx";

/** @import { App } from "../../app.jsx" */

/** @param {{ app: App }} props */
export function ImageList({ app }) {
  const { list, header, choices } = app.parts;
  const page = pageOf(app.parts);
  if (list?.state === "failed") {
    return (
      <div class="lxi-empty" role="alert">
        <strong>{list.reason?.title}</strong>
        <p dir="auto">{list.reason?.text}</p>
        <Button kind="primary" onClick={() => app.send("reload", {})}>
          Try again
        </Button>
      </div>
    );
  }
  if (!page || !header || !choices) return <Waiting text="Reading the images …" />;
  if (!page.total && !page.query && !page.chips.length) {
    return (
      <div class="lxi-empty">
        <strong>No images here yet</strong>
        <p>{whyEmpty(header, app.parts.projects)}</p>
        {header.uploads && (
          <Button kind="primary" onClick={() => app.openUpload()}>
            Upload an image …
          </Button>
        )}
      </div>
    );
  }
  return (
    <div class="lxi-list">
      <Search app={app} page={page} chips={choices.chips} columns={choices.columns} />
      <Bulk app={app} selected={page.selected} />
      <ImageTable app={app} page={page} choices={choices.columns} />
      <Footer app={app} page={page} />
    </div>
  );
}

/**
 * @param {import("../../message_types").Header} header
 * @param {string[]} [projects]
 */
function whyEmpty({ trusted, catalogue, uploads }, projects = []) {
  if (uploads)
    return `This project has no images. Upload one${projects.length > 1 ? ", or choose another project above" : ""}.`;
  if (trusted || catalogue) return "There are no images here.";
  return "The server does not trust this connection, so it shows public images only, and it has none.";
}

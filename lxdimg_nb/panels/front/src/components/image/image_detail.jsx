// One image in detail: its switches, actions and attributes.

import { h } from "preact";
import { onEscape } from "../../keyboard.js";
import { CloseButton } from "../controls/button.jsx";
import { Facts } from "../controls/facts.jsx";
import { Actions } from "./actions.jsx";
import { Aliases } from "./aliases.jsx";
import { EditableField } from "./editor.jsx";
import { Explanation } from "./explanation.jsx";
import { Properties } from "./properties.jsx";
import { Switches } from "./switches.jsx";
import { WriteResult } from "./write_result.jsx";

/** @import { App } from "../../app.jsx" */
/** @import * as messages from "../../message_types" */

/** @typedef {{ app: App, image: messages.Detail }} ImageProps */

/** @param {ImageProps} props */
export function ImageDetail({ app, image }) {
  const among = app.parts.header?.kind !== "image";
  return (
    <section
      class="lxi-detail"
      aria-label={`Image ${image.title}`}
      onKeyDown={among ? onEscape(() => app.shut()) : undefined}
    >
      <div class="lxi-detail-head">
        <h3 class="lxi-title" tabIndex={-1} dir="auto">
          {image.title}
        </h3>
        {among && <CloseButton label="Close details" onClick={() => app.shut()} />}
      </div>
      {image.subtitle && (
        <p class="lxi-subtitle" dir="auto">
          {image.subtitle}
        </p>
      )}
      {image.result && <WriteResult app={app} image={image} result={image.result} />}
      <Switches app={app} image={image} />
      <Actions app={app} image={image} />
      <h4 class="lxi-heading">About</h4>
      <Facts facts={[{ name: "Fingerprint", value: image.fingerprint }, ...image.facts]} />
      <EditableField
        app={app}
        image={image}
        field="expires_at"
        label="Expires"
        shown={image.expires_text}
        value={image.expires}
        type="date"
        hint="Empty is never. No server deletes an image for it."
      />
      <EditableField
        app={app}
        image={image}
        field="profiles"
        label="Profiles"
        shown={image.profiles || "none"}
        value={image.profiles}
        hint="Separated by commas; instances made from the image get them."
      />
      <Aliases app={app} image={image} />
      <Properties app={app} image={image} />
      {image.explains && <Explanation app={app} image={image} />}
    </section>
  );
}

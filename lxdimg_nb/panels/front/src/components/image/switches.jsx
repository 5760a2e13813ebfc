// The switches of an image. One that is locked can still get the focus and says why.

import { h } from "preact";
import { Confirmation } from "../controls/confirmation.jsx";

/** @import { ComponentChildren } from "preact" */
/** @import * as messages from "../../message_types" */
/** @import { ImageProps } from "./image_detail.jsx" */

/** @typedef {"public" | "auto_update"} Name */

/** @param {ImageProps} props */
export function Switches({ app, image }) {
  const { key } = image;
  const { asking, pending } = app.store.image(key);
  /**
   * @param {Name} name
   * @param {boolean} value
   */
  const flip = (name, value) => {
    app.store.setImage(key, { pending: name, asking: "" });
    app.send("set", { key, field: name, value, confirmed: true });
  };
  const back = () => app.focus('[data-name="public"]');
  /** @param {Name} name */
  const common = (name) => ({
    id: app.id(name),
    name,
    state: image[name],
    busy: pending === name,
  });
  return (
    <div class="lxi-switches">
      <Switch
        {...common("public")}
        label="Public"
        onFlip={(on) => (on ? app.store.setImage(key, { asking: "public" }) : flip("public", false))}
      >
        {asking === "public" && !image.public.on && (
          <Confirmation
            title="Make this image public?"
            text={image.public.danger}
            yes="Make public"
            danger
            onYes={() => {
              flip("public", true);
              back();
            }}
            onNo={() => {
              app.store.setImage(key, { asking: "" });
              back();
            }}
          />
        )}
      </Switch>
      <Switch {...common("auto_update")} label="Auto-update" onFlip={(on) => flip("auto_update", on)} />
    </div>
  );
}

/**
 * @param {{
 *   id: string,
 *   name: Name,
 *   label: string,
 *   state: messages.Switch,
 *   busy: boolean,
 *   onFlip: (on: boolean) => void,
 *   children?: ComponentChildren,
 * }} props
 */
function Switch({ id, name, label, state, busy, onFlip, children }) {
  const { on, text, locked } = state;
  const blocked = Boolean(locked) || busy;
  return (
    <div class="lxi-switch-row">
      <button
        type="button"
        role="switch"
        class="lxi-switch"
        data-name={name}
        aria-checked={on}
        aria-labelledby={`${id}-label`}
        aria-describedby={`${id}-text`}
        aria-disabled={blocked || undefined}
        aria-busy={busy || undefined}
        onClick={() => !blocked && onFlip(!on)}
      >
        <span class="lxi-knob" aria-hidden="true" />
      </button>
      <div class="lxi-switch-words">
        <span class="lxi-switch-label" id={`${id}-label`}>
          {label}
        </span>
        <span class="lxi-switch-state" aria-hidden="true">
          {on ? "on" : "off"}
        </span>
        <div class="lxi-hint" id={`${id}-text`}>
          {text}
          {locked && locked !== text && ` ${locked}`}
        </div>
        {children}
      </div>
    </div>
  );
}

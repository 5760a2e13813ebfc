// What went well or wrong, in words; and what is waited for.

import { h } from "preact";
import { CloseButton } from "./button.jsx";

/** @import { ComponentChildren } from "preact" */

/** @param {{ text?: string, good?: boolean, onDismiss?: () => void, children?: ComponentChildren }} props */
export function Message({ text, good = false, onDismiss, children }) {
  const words = <span dir="auto">{text}</span>;
  return (
    <div class={`lxi-message ${good ? "lxi-good" : "lxi-bad"}`} role={good ? "status" : "alert"}>
      {children ? (
        <div class="lxi-grow">
          {words}
          {children}
        </div>
      ) : (
        words
      )}
      {onDismiss && <CloseButton label="Dismiss" onClick={onDismiss} />}
    </div>
  );
}

/** @param {{ text: string }} props */
export function Waiting({ text }) {
  return (
    <div class="lxi-empty lxi-waiting" role="status">
      <Spinner />
      {text}
    </div>
  );
}

export function Spinner() {
  return <span class="lxi-spinner" aria-hidden="true" />;
}

// A question inside the panel: a dialog of the browser would block the page.

import { h } from "preact";
import { onEscape, take } from "../../keyboard.js";
import { Button } from "./button.jsx";

/**
 * @param {{
 *   title: string,
 *   text?: string,
 *   yes: string,
 *   danger?: boolean,
 *   onYes: () => void,
 *   onNo: () => void,
 * }} props
 */
export function Confirmation({ title, text, yes, danger, onYes, onNo }) {
  return (
    <div
      class={danger ? "lxi-question lxi-danger-box" : "lxi-question"}
      role="alertdialog"
      aria-label={title}
      onKeyDown={onEscape(onNo)}
    >
      <strong dir="auto">{title}</strong>
      <p dir="auto">{text}</p>
      <div class="lxi-row">
        <Button kind={danger ? "danger" : "primary"} innerRef={take} onClick={onYes}>
          {yes}
        </Button>
        <Button onClick={onNo}>Cancel</Button>
      </div>
    </div>
  );
}

// A labelled box to check.

import { h } from "preact";

/** @param {{ label: string, checked: boolean, hint?: string, onChange: (checked: boolean) => void }} props */
export function Checkbox({ label, checked, hint, onChange }) {
  return (
    <label class="lxi-check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>
        {label}
        {hint && <span class="lxi-hint">{hint}</span>}
      </span>
    </label>
  );
}

// A labelled field for text, with an explanation below.

import { h } from "preact";
import { take } from "../../keyboard.js";

/**
 * @param {{
 *   id: string,
 *   label: string,
 *   value: string,
 *   onText: (text: string) => void,
 *   hint?: string,
 *   focus?: boolean,
 *   placeholder?: string,
 *   list?: string,
 * }} props `focus`: it gets the focus when it appears
 */
export function Field({ id, label, value, onText, hint, focus, placeholder, list }) {
  return (
    <div class="lxi-field">
      <label for={id} class="lxi-label">
        {label}
      </label>
      <TextInput
        id={id}
        value={value}
        onText={onText}
        focus={focus}
        placeholder={placeholder}
        list={list}
        aria-describedby={hint && `${id}-hint`}
      />
      {hint && (
        <div class="lxi-hint" id={`${id}-hint`}>
          {hint}
        </div>
      )}
    </div>
  );
}

/**
 * A field without a label beside it.
 * @param {{
 *   value: string,
 *   onText: (text: string) => void,
 *   focus?: boolean,
 *   type?: "text" | "date",
 *   id?: string,
 *   placeholder?: string,
 *   title?: string,
 *   list?: string,
 *   "aria-label"?: string,
 *   "aria-describedby"?: string,
 * }} props
 */
export function TextInput({ onText, focus, type = "text", ...rest }) {
  return (
    <input
      type={type}
      class="lxi-input"
      autocomplete="off"
      spellcheck={false}
      ref={focus ? take : undefined}
      onInput={(event) => onText(event.currentTarget.value)}
      {...rest}
    />
  );
}

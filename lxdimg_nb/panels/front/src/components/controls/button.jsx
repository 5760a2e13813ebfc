// Buttons: one with a label, and one with a sign.

import { h } from "preact";

/** @import { ComponentChildren, HTMLAttributes, Ref } from "preact" */

/**
 * @param {{
 *   kind?: "primary" | "danger" | "link",
 *   class?: string,
 *   children: ComponentChildren,
 *   onClick?: (event: MouseEvent) => void,
 *   innerRef?: Ref<HTMLButtonElement>,
 *   type?: "button" | "submit",
 *   "data-name"?: string,
 * } & Pick<HTMLAttributes<HTMLButtonElement>, "title" | "aria-label" | "aria-expanded" | "aria-disabled">} props
 */
export function Button({ kind, class: more, children, innerRef, type = "button", ...rest }) {
  const names = ["lxi-button", kind && `lxi-${kind}`, more].filter(Boolean).join(" ");
  return (
    <button type={type} class={names} ref={innerRef} {...rest}>
      {children}
    </button>
  );
}

/** @param {{ label: string, title?: string, small?: boolean, onClick: () => void }} props */
export function CloseButton({ label, title = label, small, onClick }) {
  return (
    <button
      type="button"
      class={small ? "lxi-icon lxi-tiny" : "lxi-icon"}
      aria-label={label}
      title={title}
      onClick={onClick}
    >
      ×
    </button>
  );
}

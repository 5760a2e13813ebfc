// The controls of panels: buttons, switches, fields, questions, messages, bars.

let lastNumber = 0;
// Ids of labels are numbered, never made from data.
const nextId = (word) => `lxdimg-${word}-${++lastNumber}`;

function button(label, onClick, props) {
  const { kind, ...rest } = props || {};
  return h("button", { type: "button", class: `lxi-button ${kind ? `lxi-${kind}` : ""}`.trim(), onClick, ...rest }, label);
}

// A switch. If it is locked, it can still get the focus and says why.
function switchRow({ ids, label, value, text, locked, busy, onFlip, name, extra }) {
  const blocked = Boolean(locked) || busy;
  return h(
    "div",
    { class: "lxi-switch-row", key: `switch-${name}` },
    h(
      "button",
      {
        type: "button", role: "switch", class: "lxi-switch", "data-name": name, "aria-checked": value ? "true" : "false",
        "aria-labelledby": ids.label, "aria-describedby": ids.text, "aria-disabled": blocked ? "true" : undefined,
        "aria-busy": busy ? "true" : undefined,
        onClick: () => !blocked && onFlip(!value),
      },
      h("span", { class: "lxi-knob", "aria-hidden": "true" }),
    ),
    h(
      "div",
      { class: "lxi-switch-words" },
      h("span", { class: "lxi-switch-label", "data-id": ids.label, ref: (n) => (n.id = ids.label) }, label),
      h("span", { class: "lxi-switch-state", "aria-hidden": "true" }, value ? "on" : "off"),
      h("div", { class: "lxi-hint", ref: (n) => (n.id = ids.text) }, text, locked && locked !== text ? ` ${locked}` : ""),
      extra,
    ),
  );
}

function field({ id, label, hint, focus, ...input }) {
  const hintId = `${id}-hint`;
  return h(
    "div",
    { class: "lxi-field" },
    h("label", { for: id, class: "lxi-label" }, label),
    h("input", {
      type: "text", class: "lxi-input", autocomplete: "off", spellcheck: "false",
      ref: (n) => {
        n.id = id;
        if (focus) take(n);
      },
      "aria-describedby": hint ? hintId : undefined, ...input,
    }),
    hint && h("div", { class: "lxi-hint", ref: (n) => (n.id = hintId) }, hint),
  );
}

function check({ label, checked, onChange, hint }) {
  return h(
    "label",
    { class: "lxi-check" },
    h("input", { type: "checkbox", checked: Boolean(checked), onChange: (event) => onChange(event.target.checked) }),
    h("span", {}, label, hint && h("span", { class: "lxi-hint" }, hint)),
  );
}

// A question inside the panel. A dialog of the browser would block the page.
function question({ title, text, yes, danger, onYes, onNo }) {
  return h(
    "div",
    {
      class: `lxi-question ${danger ? "lxi-danger-box" : ""}`, role: "alertdialog", "aria-label": title, key: "question",
      onKeydown: onEscape(onNo),
    },
    h("strong", { dir: "auto" }, title),
    h("p", { dir: "auto" }, text),
    h(
      "div",
      { class: "lxi-row" },
      button(yes, onYes, { kind: danger ? "danger" : "primary", ref: take }),
      button("Cancel", onNo),
    ),
  );
}

function message(text, good, onDismiss) {
  return h(
    "div",
    { class: `lxi-message ${good ? "lxi-good" : "lxi-bad"}`, role: good ? "status" : "alert" },
    h("span", { dir: "auto" }, text),
    onDismiss && h("button", { type: "button", class: "lxi-icon", "aria-label": "Dismiss", title: "Dismiss", onClick: onDismiss }, "×"),
  );
}

function bar(fraction, label) {
  const percent = fraction === null || fraction === undefined ? null : Math.round(fraction * 100);
  return h(
    "div",
    {
      class: `lxi-bar ${percent === null ? "lxi-unknown" : ""}`, role: "progressbar", "aria-label": label,
      "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": percent === null ? undefined : String(percent),
    },
    h("div", { width: percent === null ? "100%" : `${percent}%` }),
  );
}

function facts(list, props) {
  return h(
    "dl",
    { class: "lxi-facts", ...props },
    list.map((f) => [h("dt", {}, f.name), h("dd", { title: f.hint || undefined, dir: "auto" }, f.value)]),
  );
}

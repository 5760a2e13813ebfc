// The keyboard: keys pressed in a panel do nothing in the notebook, and the focus is never lost.

const FOCUSABLE = "button, input, select, summary, a[href], [tabindex]";
const REGIONS = "section, .lxi-list > *, .lxi-header";
// Keys that a notebook uses for its cells together with Ctrl or Cmd. All others are left to the page.
const OF_CELLS = /^(Enter|Backspace|Arrow.*|[am-])$/i;

/**
 * The focused element of the page, or of the shadow tree, that a panel is in.
 * @param {HTMLElement} root
 * @returns {HTMLElement | null}
 */
function focusedAnywhere(root) {
  const tree = /** @type {Document | ShadowRoot} */ (root.getRootNode());
  return /** @type {HTMLElement | null} */ (tree.activeElement);
}

/**
 * The focused element within this panel.
 * @param {HTMLElement} root
 */
export function focused(root) {
  const active = focusedAnywhere(root);
  return active && active !== root && root.contains(active) ? active : null;
}

/** What was focused before the panel was drawn. @type {Element | null} */
let before = null;

/**
 * Focuses something that has just appeared, but only if the focus was near it: a user who types elsewhere goes on.
 * To be used as a `ref`.
 * @param {HTMLElement | null} node
 */
export function take(node) {
  const near = node?.closest("section") ?? node?.closest(".lxi");
  if (!node || !near) return;
  if (!before?.isConnected || before === document.body || near.contains(before) || before.contains(near)) node.focus();
}

/**
 * Draws, and keeps the focus: on the same element, or on the nearest one if it is gone.
 * @param {HTMLElement} root
 * @param {() => void} draw
 */
export function keepingFocus(root, draw) {
  before = focusedAnywhere(root);
  const had = focused(root);
  const region = /** @type {HTMLElement | null | undefined} */ (had?.closest(REGIONS));
  const all = had ? within(root) : [];
  draw();
  if (!had || focused(root)) return;
  const at = all.indexOf(had);
  const [earlier, later] = [all.slice(0, at).reverse(), all.slice(at + 1)];
  const places = [...earlier, ...later];
  if (region?.isConnected) {
    // First the region that it was in: its other controls, then the region itself.
    region.tabIndex = -1;
    const near = [...later, ...earlier, ...within(region)].filter((node) => region.contains(node));
    places.unshift(...near.filter((node) => node.tabIndex >= 0), region);
  }
  for (const node of [had, ...places.filter((place) => place.tabIndex >= 0 || place === region), root]) {
    if (root.contains(node)) node.focus({ preventScroll: node === had });
    if (focused(root)) return;
  }
}

/**
 * @param {HTMLElement} root
 * @returns {HTMLElement[]}
 */
function within(root) {
  return [...root.querySelectorAll(FOCUSABLE)].filter((node) => node instanceof HTMLElement);
}

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {(element: T) => void} leave
 * @returns {(event: KeyboardEvent) => void}
 */
export const onEscape = (leave) => (event) => {
  if (event.key !== "Escape" || event.isComposing) return;
  event.stopPropagation();
  leave(/** @type {T} */ (event.currentTarget));
};

/**
 * JupyterLab gets keys after the panel, Notebook 7 before it: there the attribute on the target or an ancestor counts.
 * Without this, a letter typed on one of the panel's buttons inserts, cuts or deletes cells.
 * @param {HTMLElement} root
 * @returns {() => void} ends it
 */
export function keysStay(root) {
  /** @param {KeyboardEvent} event */
  const ours = (event) => !(event.ctrlKey || event.metaKey) || OF_CELLS.test(event.key);
  /** @param {KeyboardEvent} event */
  const first = (event) => {
    if (event.target instanceof Element && root.contains(event.target)) {
      event.target.toggleAttribute("data-lm-suppress-shortcuts", ours(event));
    }
  };
  window.addEventListener("keydown", first, true);
  root.addEventListener("keydown", (event) => {
    if (ours(event)) event.stopPropagation();
    // A key that is held down presses one button, and not also the button that takes its place.
    const target = /** @type {Element} */ (event.target);
    if (event.repeat && /^(Enter| )$/.test(event.key) && target.closest("button, summary")) event.preventDefault();
  });
  return () => window.removeEventListener("keydown", first, true);
}

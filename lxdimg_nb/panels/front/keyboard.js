// The keyboard: keys pressed in a panel do nothing in the notebook, and the focus is never lost.

const FOCUSABLE = "button, input, select, summary, a[href], [tabindex]";
const REGIONS = "section, .lxi-list > *, .lxi-header";
// Keys that a notebook uses for its cells together with Ctrl or Cmd. All others are left to the page.
const OF_CELLS = /^(Enter|Backspace|Arrow.*|[am-])$/i;

// Returns the focused element: within this panel, or anywhere.
function focused(root, anywhere) {
  const active = root.getRootNode().activeElement;
  return active && (anywhere || (active !== root && root.contains(active))) ? active : null;
}

// Focuses something that has just appeared, but only if the focus was near it: a user who types elsewhere goes on.
let before = null;
function take(node) {
  const near = node.closest("section") || node.closest(".lxi");
  if (!before || before === document.body || !before.isConnected || near.contains(before) || before.contains(near)) node.focus();
}

// Draws, and keeps the focus: on the same element, or on the nearest one if it is gone.
function keepingFocus(root, draw) {
  before = focused(root, true);
  const had = focused(root);
  const region = had && had.closest(REGIONS);
  const all = had ? [...root.querySelectorAll(FOCUSABLE)] : [];
  draw();
  if (!had || focused(root)) return;
  const at = all.indexOf(had);
  const [earlier, later] = [all.slice(0, at).reverse(), all.slice(at + 1)];
  const places = [...earlier, ...later];
  if (region && region.isConnected) {
    // First the region that it was in: its other controls, then the region itself.
    region.tabIndex = -1;
    const near = [...later, ...earlier, ...region.querySelectorAll(FOCUSABLE)].filter((node) => region.contains(node));
    places.unshift(...near.filter((node) => node.tabIndex >= 0), region);
  }
  for (const node of [had, ...places.filter((node) => node.tabIndex >= 0 || node === region), root]) {
    if (root.contains(node)) node.focus({ preventScroll: node === had });
    if (focused(root)) return;
  }
}

const onEscape = (leave) => (event) => {
  if (event.key !== "Escape" || event.isComposing) return;
  event.stopPropagation();
  leave();
};

// JupyterLab gets keys after the panel, Notebook 7 before it: there the attribute on the target or an ancestor counts.
// Without this, a letter typed on one of the panel's buttons inserts, cuts or deletes cells.
function keysStay(root) {
  const ours = (event) => !(event.ctrlKey || event.metaKey) || OF_CELLS.test(event.key);
  const first = (event) => {
    if (root.contains(event.target)) event.target.toggleAttribute("data-lm-suppress-shortcuts", ours(event));
  };
  window.addEventListener("keydown", first, true);
  root.addEventListener("keydown", (event) => {
    if (ours(event)) event.stopPropagation();
    // A key that is held down presses one button, and not also the button that takes its place.
    if (event.repeat && /^(Enter| )$/.test(event.key) && event.target.closest("button, summary")) event.preventDefault();
  });
  return () => window.removeEventListener("keydown", first, true);
}

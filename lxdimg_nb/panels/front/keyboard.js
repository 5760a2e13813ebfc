// The keyboard: keys that are pressed in a panel stay there, and the focus is never lost.

const FOCUSABLE = "button, input, select, summary, a[href], [tabindex]";
const REGIONS = "section, .lxi-list > *, .lxi-header";
// What a notebook does to its cells with Ctrl or Cmd held; whatever else is held with those is for the page.
const OF_CELLS = /^(Enter|Backspace|Arrow.*|[am-])$/i;

// The element that has the focus: within this panel, or anywhere.
function focused(root, anywhere) {
  const active = root.getRootNode().activeElement;
  return active && (anywhere || (active !== root && root.contains(active))) ? active : null;
}

// Something that has just appeared takes the focus only from its own surroundings: somebody who types elsewhere goes on.
let before = null;
function take(node) {
  const near = node.closest("section") || node.closest(".lxi");
  if (!before || before === document.body || !before.isConnected || near.contains(before) || before.contains(near)) node.focus();
}

// Draws, and sees to it that whoever had the focus in the panel has it afterwards, on the same thing or the next.
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
    // Where it was, or the whole that it was part of while that has nothing else.
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

// JupyterLab hears keys after the panel, Notebook 7 before it: it looks for the attribute, on what the key is for and
// upwards. Without this, a letter that is typed on one of the panel's buttons inserts, cuts or deletes cells.
function keysStay(root) {
  const ours = (event) => !(event.ctrlKey || event.metaKey) || OF_CELLS.test(event.key);
  const first = (event) => {
    if (root.contains(event.target)) event.target.toggleAttribute("data-lm-suppress-shortcuts", ours(event));
  };
  window.addEventListener("keydown", first, true);
  root.addEventListener("keydown", (event) => {
    if (ours(event)) event.stopPropagation();
    // A key that is held down presses one button, not also the one that appears under it.
    if (event.repeat && /^(Enter| )$/.test(event.key) && event.target.closest("button, summary")) event.preventDefault();
  });
  return () => window.removeEventListener("keydown", first, true);
}

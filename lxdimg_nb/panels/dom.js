// A tiny virtual DOM: what a panel shows is a function of its state, and elements that stay keep their focus,
// selection and typed text. Data only ever becomes text nodes and attribute values, never markup.

function h(tag, props, ...children) {
  return { tag, props: props || {}, children: vnodes(children) };
}

function vnodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (typeof child === "object" ? child : { text: String(child) }));
}

// What may be set on an element; everything else in props is an error of ours, seen in the console.
const ATTRIBUTES = new Set([
  "class", "title", "type", "role", "for", "name", "placeholder", "scope", "tabindex", "autocomplete", "spellcheck",
  "colspan", "dir", "lang", "min", "max", "rows", "list", "accept", "href", "download", "rel", "target",
]);
const PROPERTIES = new Set(["value", "checked", "disabled", "indeterminate", "selected", "hidden", "open", "multiple"]);

function setProp(node, name, value, before) {
  if (name === "key" || name === "ref") return;
  if (name.startsWith("on")) {
    const type = name.slice(2).toLowerCase();
    node.__on = node.__on || {};
    if (!node.__on[type]) node.addEventListener(type, (event) => node.__on[type] && node.__on[type](event));
    node.__on[type] = value || null;
  } else if (PROPERTIES.has(name)) {
    // Typed text stays until the panel itself wants another value.
    if (value !== before) node[name] = value === undefined ? (name === "value" ? "" : false) : value;
  } else if (ATTRIBUTES.has(name) || /^(aria|data)-[a-z-]+$/.test(name)) {
    if (value === undefined || value === null || value === false) node.removeAttribute(name);
    else if (String(value) !== node.getAttribute(name)) node.setAttribute(name, value === true ? "" : String(value));
  } else if (name === "width") {
    node.style.width = value;
  } else {
    console.error(`lxdimg: no such attribute: ${name}`);
  }
}

function fits(node, vnode) {
  if (vnode.text !== undefined) return node.nodeType === Node.TEXT_NODE;
  return node.nodeType === Node.ELEMENT_NODE && node.__tag === vnode.tag && node.__key === vnode.props.key;
}

function make(vnode) {
  if (vnode.text !== undefined) return document.createTextNode(vnode.text);
  const node = document.createElement(vnode.tag);
  node.__tag = vnode.tag;
  node.__key = vnode.props.key;
  node.__props = {};
  return node;
}

function patchNode(node, vnode) {
  if (vnode.text !== undefined) {
    if (node.data !== vnode.text) node.data = vnode.text;
    return;
  }
  // Children first: a select's value needs its options.
  patch(node, vnode.children);
  const before = node.__props;
  for (const name of Object.keys(before)) {
    if (!(name in vnode.props)) setProp(node, name, undefined, before[name]);
  }
  for (const [name, value] of Object.entries(vnode.props)) setProp(node, name, value, before[name]);
  const isNew = node.__props.ref === undefined && vnode.props.ref;
  node.__props = vnode.props;
  if (isNew) vnode.props.ref(node);
}

function patch(parent, wanted) {
  const keyed = new Map();
  for (const node of parent.childNodes) if (node.__key !== undefined) keyed.set(node.__key, node);
  let current = parent.firstChild;
  for (const vnode of wanted) {
    let node = null;
    const key = vnode.props && vnode.props.key;
    if (key !== undefined && keyed.has(key)) node = fits(keyed.get(key), vnode) ? keyed.get(key) : null;
    else if (key === undefined && current && fits(current, vnode)) node = current;
    if (!node) node = make(vnode);
    if (node === current) current = current.nextSibling;
    else parent.insertBefore(node, current);
    patchNode(node, vnode);
  }
  while (current) {
    const next = current.nextSibling;
    current.remove();
    current = next;
  }
}

// A small virtual DOM: a panel is a function of its state. Elements that stay keep their focus, selection and
// typed text. Data becomes text nodes and attribute values only, never markup.

function h(tag, props, ...children) {
  return { tag, props: props || {}, children: vnodes(children) };
}

function vnodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (typeof child === "object" ? child : { text: String(child) }));
}

// Attributes that may be set on an element. Any other prop is a bug and is logged to the console.
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
    // Typed text stays until the panel sets another value.
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

// The identity of an element, whatever its content: elements are kept while their signs stay in order.
function signOf(vnode) {
  if (vnode.text !== undefined) return "#";
  const { key, class: words } = vnode.props;
  return key === undefined ? `${vnode.tag}.${(words || "").split(" ")[0]}` : `${vnode.tag}#${key}`;
}

function make(vnode) {
  const node = vnode.text === undefined ? document.createElement(vnode.tag) : document.createTextNode(vnode.text);
  node.__sign = signOf(vnode);
  node.__props = {};
  return node;
}

function patchNode(node, vnode) {
  if (vnode.text !== undefined) {
    if (node.data !== vnode.text) node.data = vnode.text;
    return;
  }
  // Children first, because the value of a select needs its options.
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

// The old nodes that stay, by their new index: the longest common subsequence of signs.
function kept(old, signs) {
  const nodes = new Array(signs.length);
  let start = 0;
  let end = old.length;
  let to = signs.length;
  for (; start < end && start < to && old[start].__sign === signs[start]; start++) nodes[start] = old[start];
  while (end > start && to > start && old[end - 1].__sign === signs[to - 1]) nodes[--to] = old[--end];
  const longest = Array.from({ length: end - start + 1 }, () => new Uint16Array(to - start + 1));
  for (let i = end - start - 1; i >= 0; i--) {
    for (let j = to - start - 1; j >= 0; j--) {
      const same = old[start + i].__sign === signs[start + j];
      longest[i][j] = same ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
    }
  }
  for (let i = 0, j = 0; i < end - start && j < to - start; ) {
    if (old[start + i].__sign === signs[start + j]) nodes[start + j++] = old[start + i++];
    else if (longest[i + 1][j] >= longest[i][j + 1]) i++;
    else j++;
  }
  return nodes;
}

function patch(parent, wanted) {
  const old = [...parent.childNodes];
  const signs = wanted.map(signOf);
  const nodes = kept(old, signs);
  const used = new Set(nodes);
  // Nodes with a key may change places. Nodes that are not wanted are removed first, so the others need not move.
  const free = new Map(old.filter((node) => !used.has(node)).map((node) => [node.__sign, node]));
  for (const node of old) if (!used.has(node)) node.remove();
  let next = null;
  for (let i = wanted.length - 1; i >= 0; i--) {
    if (!nodes[i] && wanted[i].props && wanted[i].props.key !== undefined) nodes[i] = free.get(signs[i]);
    nodes[i] = nodes[i] || make(wanted[i]);
    if (nodes[i].parentNode !== parent || nodes[i].nextSibling !== next) parent.insertBefore(nodes[i], next);
    next = nodes[i];
  }
  wanted.forEach((vnode, i) => patchNode(nodes[i], vnode));
}

// A kernel for tests: it hears what a panel says, holds it to messages.json, and answers when it is told to.

import Ajv from "ajv";
import { App } from "../src/app.jsx";
import schema from "../src/messages.json";

/** @import { FromKernel, Parts } from "../src/message_types" */

// A definition may be an object or a list: ajv's strict mode would have the type said twice.
const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema(schema, "messages");

/**
 * Fails unless a message has the shape that the schema gives it.
 * @param {"fromKernel" | "toKernel"} way
 * @param {string} type
 * @param {object} content
 */
export function conforms(way, type, content) {
  if (!Object.hasOwn(schema.properties[way].properties, type)) throw new Error(`no message ${type} in ${way}`);
  const place = `messages#/properties/${way}/properties/${type}`;
  if (!ajv.validate(place, content)) throw new Error(`${type}: ${ajv.errorsText()} in ${JSON.stringify(content)}`);
}

export class Kernel {
  /** What was said, oldest first. @type {any[]} */
  heard = [];
  /** @type {ArrayBuffer[]} */
  pieces = [];
  /** How many messages with parts it has sent. */
  told = 0;
  /** Whether it answers. */
  alive = true;
  /** Whether the comm is open. */
  open = true;
  /** @type {Set<(content: any) => void>} */
  listeners = new Set();

  /** @param {any} message @param {undefined} [_] @param {ArrayBuffer[]} [buffers] */
  async send(message, _, buffers = []) {
    if (!this.open) throw new Error("Cannot send");
    const { type, view, number, ...content } = message;
    conforms("toKernel", type, content);
    this.heard.push({ type, ...content });
    this.pieces.push(...buffers);
    if (this.alive && number !== undefined) this.say("heard", { number, told: this.told });
  }

  /** @param {string} _ @param {(content: any) => void} listener */
  on(_, listener) {
    this.listeners.add(listener);
  }

  /** @param {string} _ @param {(content: any) => void} listener */
  off(_, listener) {
    this.listeners.delete(listener);
  }

  /**
   * @template {keyof FromKernel} K
   * @param {K} type
   * @param {FromKernel[K]} content
   */
  say(type, content) {
    conforms("fromKernel", type, content);
    if (type === "parts") this.told += 1;
    for (const listener of this.listeners) listener({ type, ...structuredClone(content) });
  }

  /** @param {Parts} parts */
  show(parts) {
    this.say("parts", { parts });
  }

  /** What was said since the last call, without the panel's own signs of life. */
  take() {
    const said = this.heard.filter(({ type }) => !["hello", "here", "bye"].includes(type));
    this.heard = [];
    return said;
  }
}

/** @type {App[]} */
const shown = [];

/**
 * A panel in the page, which has been shown these parts.
 * @param {Parts} [parts]
 */
export function mount(parts) {
  const kernel = new Kernel();
  const view = another(kernel, new Set());
  if (parts) kernel.show(parts);
  kernel.take();
  return view;
}

/**
 * One more view of a panel.
 * @param {Kernel} kernel
 * @param {Set<App>} views those that there are
 */
export function another(kernel, views) {
  const el = document.createElement("div");
  document.body.append(el);
  const app = new App(kernel, el, views);
  shown.push(app);
  return { app, kernel, root: app.root, ...within(app.root) };
}

/** Ends the panels of a test. */
export function unmount() {
  for (const app of shown.splice(0)) app.end();
  document.body.replaceChildren();
}

/** @param {HTMLElement} root */
function within(root) {
  /** @param {string} selector @returns {any} */
  const find = (selector) => {
    const found = root.querySelector(selector);
    if (!found) throw new Error(`no ${selector} in ${root.textContent}`);
    return found;
  };
  /** A button, or another control, by its name. @param {string} name @returns {any} */
  const control = (name) => {
    const all = [...root.querySelectorAll("button, input, select, summary")];
    const found = all.find((node) => nameOf(root, node) === name);
    if (!found) throw new Error(`no control ${name}, but ${all.map((node) => nameOf(root, node)).join(", ")}`);
    return found;
  };
  /** @param {any} field @param {string} text */
  const type = (field, text) => {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  /** @param {any} box @param {unknown} value */
  const change = (box, value) => {
    if (typeof value === "boolean") box.checked = value;
    else box.value = value;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  };
  /** @param {any} node @param {string} key */
  const press = (node, key) => node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  /** @param {any} node */
  const submit = (node) => node.closest("form").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
  return { find, control, type, change, press, submit, text: () => root.textContent ?? "" };
}

/** @param {HTMLElement} root @param {Element} node */
function nameOf(root, node) {
  const labelled = node.getAttribute("aria-labelledby");
  const label = labelled
    ? root.querySelector(`#${labelled}`)
    : (root.querySelector(`label[for="${node.id}"]`) ?? node.closest("label"));
  return node.getAttribute("aria-label") ?? (label ?? node).textContent?.trim();
}

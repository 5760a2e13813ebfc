// The store: what the kernel has said, what the user is doing, and whether the kernel answers.

/** @import { Page, Parts, Row, ToKernel } from "./message_types" */

/**
 * A field that is being edited.
 * @typedef {object} Edit
 * @property {"alias" | "properties" | "expires_at" | "profiles"} field
 * @property {string} name of the property; empty for a new one
 * @property {string} before the value as it was shown
 * @property {string} value as typed
 * @property {string} newName of a new property, as typed
 */

/**
 * What the user is doing with one image.
 * @typedef {object} ImageDoings
 * @property {"" | "public" | "undo"} asking the question that is open
 * @property {"" | "export" | "copy" | "delete"} doing the form that is open
 * @property {Edit | null} editing
 * @property {string} dropping the alias that is about to be removed
 * @property {string} pending the switch that is being written
 * @property {string | null} folder for an export, as typed
 * @property {string} target for a copy, as typed
 * @property {string} aliases for a copy, as typed
 * @property {string} project for a copy, as typed
 * @property {boolean} follow whether a copy is to be kept current
 */

/**
 * @typedef {object} UploadDoings
 * @property {boolean} open
 * @property {"kernel" | "browser"} way where the file is
 * @property {string} path as typed
 * @property {string} second as typed
 * @property {{ image?: File | null, second?: File | null }} files chosen on this computer
 * @property {string} problem
 * @property {string} aliases as typed
 * @property {boolean} public
 * @property {{ os: string, release: string, architecture: string, image: string }} made what metadata are to say, as typed
 */

/**
 * @typedef {object} BulkDoings
 * @property {"" | "property" | "export"} asking the form that is open
 * @property {string} name as typed
 * @property {string} value as typed
 * @property {string} folder as typed
 */

/** @typedef {"new" | "ok" | "busy" | "lost"} Link whether the kernel answers */

/**
 * @typedef {object} State
 * @property {Link} link
 * @property {Parts} parts what the kernel said
 * @property {string | null} query what was typed and the kernel has not answered yet
 * @property {boolean} looking whether the user has asked for another page or order of the list
 * @property {{ number: number, text: string }} said what screen readers say, once
 * @property {number} row the row that Tab stops at
 * @property {Record<string, ImageDoings>} images by key
 * @property {UploadDoings} upload
 * @property {boolean} sending whether this page sends a file
 * @property {BulkDoings} bulk
 * @property {Record<string, string | null>} links by path: where the page's Jupyter server has a file; null if it has not
 */

/** @type {ImageDoings} */
const NOTHING = {
  asking: "",
  doing: "",
  editing: null,
  dropping: "",
  pending: "",
  folder: null,
  target: "",
  aliases: "",
  project: "",
  follow: false,
};

/** @returns {State} */
const initial = () => ({
  link: "new",
  parts: {},
  query: null,
  looking: false,
  said: { number: 0, text: "" },
  row: 0,
  images: {},
  upload: {
    open: false,
    way: "kernel",
    path: "",
    second: "",
    files: {},
    problem: "",
    aliases: "",
    public: false,
    made: { os: "", release: "", architecture: "", image: "" },
  },
  sending: false,
  bulk: { asking: "", name: "", value: "", folder: "" },
  links: {},
});

export class Store {
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /** @type {State} */
  state = initial();

  /**
   * Calls a function whenever the state is another one.
   * @param {() => void} listener
   */
  subscribe(listener) {
    this.#listeners.add(listener);
  }

  /** @param {Partial<State>} change */
  set(change) {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
  }

  /** @param {Partial<UploadDoings>} change */
  setUpload(change) {
    this.set({ upload: { ...this.state.upload, ...change } });
  }

  /** @param {Partial<BulkDoings>} change */
  setBulk(change) {
    this.set({ bulk: { ...this.state.bulk, ...change } });
  }

  /**
   * @param {string} key
   * @returns {ImageDoings}
   */
  image(key) {
    return (Object.hasOwn(this.state.images, key) && this.state.images[key]) || NOTHING;
  }

  /**
   * @param {string} key
   * @param {Partial<ImageDoings>} change
   */
  setImage(key, change) {
    this.set({ images: { ...this.state.images, [key]: { ...this.image(key), ...change } } });
  }

  /** The page of the list, once there is one. */
  get page() {
    return pageOf(this.state.parts);
  }

  /**
   * Takes in what the kernel says.
   * @param {Parts} parts
   */
  receive(parts) {
    /** @type {Partial<State>} */
    const change = { parts: { ...this.state.parts, ...parts } };
    const page = pageOf(parts);
    // An answer to an earlier query comes while the user still types: what is typed stays.
    if (page && page.query === this.state.query) change.query = null;
    if (page && (this.state.looking || change.query === null)) {
      change.looking = false;
      this.#say(change, `${countOf(page)}, page ${page.page + 1} of ${page.pages}`);
    }
    if (parts.news) this.#say(change, parts.news.text);
    if (parts.detail && !parts.detail.busy) {
      const { key } = parts.detail;
      if (this.image(key).pending) {
        change.images = { ...this.state.images, [key]: { ...this.image(key), pending: "" } };
      }
    }
    this.set(change);
  }

  /**
   * @param {Partial<State>} change
   * @param {string} text
   */
  #say(change, text) {
    change.said = { number: this.state.said.number + 1, text };
  }

  /** @param {Partial<Page>} change */
  setPage(change) {
    if (this.page) this.set({ parts: { ...this.state.parts, list: { ...this.page, ...change } } });
  }

  /**
   * Shows a selection before the kernel confirms it.
   * @param {ToKernel["select"]} selection
   */
  select({ keys = [], what, on }) {
    const page = this.page;
    if (!page) return;
    let changed = 0;
    const rows = page.rows.map((row) => {
      if ((!what && !keys.includes(row.key)) || Boolean(row.selected) === on) return row;
      changed += 1;
      return selected(row, on);
    });
    const all = on ? page.matching : 0;
    this.setPage({ rows, selected: what === "found" ? all : page.selected + (on ? changed : -changed) });
  }
}

/**
 * @param {Row} row
 * @param {boolean} on
 * @returns {Row}
 */
function selected({ key, cells }, on) {
  return on ? { key, cells, selected: true } : { key, cells };
}

/**
 * @param {Parts} parts
 * @returns {Page | undefined}
 */
export function pageOf({ list }) {
  return list && (list.state === "ready" || list.state === "reloading") ? list : undefined;
}

/** @param {number} count */
const images = (count) => (count === 1 ? "1 image" : `${count.toLocaleString("en")} images`);

/**
 * How many images there are, and how many of them match.
 * @param {Page} page
 */
export function countOf({ matching, total }) {
  return matching === total ? images(total) : `${matching.toLocaleString("en")} of ${images(total)}`;
}

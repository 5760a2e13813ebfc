// What a kernel shows, for tests.

/** @import * as messages from "../src/message_types" */

/** @param {number} n @returns {string} */
export const keyOf = (n) => `default/${n.toString(16).padStart(64, "0")}`;

/** @param {Partial<messages.Header>} [change] @returns {messages.Header} */
export const header = (change) => ({
  kind: "browser",
  product: "LXD 5.0.2",
  address: "unix:///var/lib/lxd/unix.socket",
  project: "default",
  images_of: "",
  trusted: true,
  distrust: "",
  catalogue: false,
  uploads: true,
  folder: "/root",
  live: "live",
  live_text: "Live: changes made elsewhere appear by themselves.",
  ...change,
});

/** @type {messages.Choices} */
export const choices = {
  columns: [
    { name: "server", title: "Server", kind: "text" },
    { name: "alias", title: "Alias", kind: "text" },
    { name: "fingerprint", title: "Fingerprint", kind: "code" },
    { name: "public", title: "Public", kind: "flag" },
    { name: "size", title: "Size", kind: "number" },
  ],
  chips: [
    { name: "public", title: "Public", hint: "Visible to everybody" },
    { name: "unused", title: "Unused", hint: "Asks the server" },
  ],
};

/** @param {number} n @param {Partial<messages.Row>} [change] @returns {messages.Row} */
export const row = (n, change) => ({
  key: keyOf(n),
  cells: [`web-${n}`, keyOf(n).slice(8, 20), n % 2 ? "yes" : "no", [`${n} MiB`, `${n},000 bytes`]],
  ...change,
});

/**
 * A page of a list.
 * @param {number} count rows of it
 * @param {Partial<messages.Page>} [change]
 * @returns {messages.Page}
 */
export const page = (count, change) => ({
  state: "ready",
  columns: ["alias", "fingerprint", "public", "size"],
  rows: Array.from({ length: count }, (_, n) => row(n + 1)),
  total: count,
  matching: count,
  bytes: "1 GiB",
  page: 0,
  pages: 1,
  size: 20,
  sort: "alias",
  down: false,
  query: "",
  problem: "",
  chips: [],
  selected: 0,
  lookups: [],
  open: "",
  read_at: "10:11:12 UTC",
  ...change,
});

/** @param {Partial<messages.Detail>} [change] @returns {messages.Detail} */
export const detail = (change) => ({
  key: keyOf(1),
  title: "web-1",
  subtitle: "A web server",
  fingerprint: keyOf(1).slice(8),
  public: { on: false, text: "Only clients the server trusts can see it.", locked: "", danger: "Anyone will see it." },
  auto_update: { on: false, text: "It has no source to update from.", locked: "It has no source to update from." },
  facts: [{ name: "Size", value: "1 MiB", hint: "1,048,576 bytes" }],
  follows: true,
  aliases: [{ name: "web-1", text: "" }],
  properties: [{ name: "note", value: "old", whole: true }],
  more_properties: 0,
  writable: true,
  explains: true,
  refreshable: true,
  expires: "",
  expires_text: "never",
  profiles: "default",
  busy: false,
  result: null,
  ...change,
});

/** @param {Partial<messages.Result>} [change] @returns {messages.Result} */
export const result = (change) => ({
  text: "Note old → new.",
  good: true,
  undo: false,
  undo_makes_public: false,
  conflict: null,
  movable_alias: "",
  ...change,
});

/** @param {Partial<messages.Transfer>} [change] @returns {messages.Transfer} */
export const transfer = (change) => ({
  job: 1,
  title: "Export web",
  where: "LXD",
  state: "running",
  fraction: 0.5,
  text: "receiving, 1 MiB of 2 MiB",
  stopping: false,
  files: [],
  ...change,
});

/**
 * All parts of a panel of so many images.
 * @param {number} count
 * @param {messages.Parts} [change]
 * @returns {messages.Parts}
 */
export const parts = (count, change) => ({
  header: header(),
  projects: ["default"],
  choices,
  list: page(count),
  detail: null,
  transfers: [],
  notices: [],
  upload: { state: "empty" },
  bulk: { state: "empty" },
  ...change,
});

export const EVIL = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>\u202e';

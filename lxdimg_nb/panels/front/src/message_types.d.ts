/* Made of messages.json by build.js. */

/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "List".
 */
export type List = NoPage | Page;
/**
 * A text, or a text and its tooltip.
 *
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Cell".
 */
export type Cell = string | [string, string];
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Upload".
 */
export type Upload = UploadIdle | UploadReceiving | UploadAtWork | UploadChecked;
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Bulk".
 */
export type Bulk = BulkIdle | BulkPlanned | BulkWorking | BulkApplied;
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Slot".
 */
export type Slot = "image" | "second";

/**
 * What a panel in the browser and its kernel say to each other. Both sides are tested against it, and the types in message_types.d.ts are made of it.
 */
export interface Messages {
  fromKernel: FromKernel;
  toKernel: ToKernel;
}
/**
 * Messages of the kernel, by type.
 */
export interface FromKernel {
  /**
   * The script and the style of panels, in two binary buffers, compressed.
   */
  bundle: {
    version: string;
  };
  /**
   * Answers each message of a view: this one and those before it have arrived.
   */
  heard: {
    number: number;
    /**
     * How many messages with parts came before.
     */
    told: number;
  };
  /**
   * Replaces parts of what the panel shows.
   */
  parts: {
    parts: Parts;
  };
  begin: Begin;
  got: Got;
  /**
   * No more of this file is wanted.
   */
  "file-stop": {
    job: number;
  };
}
/**
 * The parts of what a panel shows; a message holds those that are new.
 *
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Parts".
 */
export interface Parts {
  header?: Header;
  projects?: string[];
  more_projects?: string;
  choices?: Choices;
  list?: List;
  detail?: Detail | null;
  explained?: Explained;
  transfers?: Transfer[];
  notices?: Notice[];
  upload?: Upload;
  bulk?: Bulk;
  paths?: Paths;
  news?: News;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Header".
 */
export interface Header {
  kind: "browser" | "image" | "fleet";
  product: string;
  address: string;
  /**
   * Empty where there are none.
   */
  project: string;
  trusted: boolean;
  /**
   * Whether images can be uploaded.
   */
  uploads: boolean;
  /**
   * The kernel's current folder.
   */
  folder: string;
  /**
   * Whether changes made elsewhere arrive.
   */
  live: "live" | "polling" | "lost" | "closed" | "off";
  live_text: string;
  /**
   * Another project, whose images this one shows.
   */
  images_of?: string;
  /**
   * What an untrusted client can do to be trusted.
   */
  distrust?: string;
  catalogue?: boolean;
}
/**
 * What a list can show: it names these columns and chips.
 *
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Choices".
 */
export interface Choices {
  columns: Column[];
  chips: Chip[];
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Column".
 */
export interface Column {
  name: string;
  title: string;
  kind: "text" | "number" | "code" | "flag" | "time";
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Chip".
 */
export interface Chip {
  name: string;
  title: string;
  hint: string;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "NoPage".
 */
export interface NoPage {
  state: "new" | "loading" | "failed";
  reason?: {
    title: string;
    text: string;
  };
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Page".
 */
export interface Page {
  state: "ready" | "reloading";
  /**
   * The names of the columns shown.
   */
  columns: string[];
  rows: Row[];
  /**
   * All images.
   */
  total: number;
  /**
   * Images that match the query and the chips.
   */
  matching: number;
  /**
   * Of those that match, in words; empty where there are too many to add up.
   */
  bytes: string;
  /**
   * Of the rows, from 0 on.
   */
  page: number;
  /**
   * At least 1.
   */
  pages: number;
  /**
   * Rows of a page.
   */
  size: number;
  /**
   * The column that the rows are sorted by.
   */
  sort: string;
  down: boolean;
  query: string;
  /**
   * Why the query is invalid.
   */
  problem: string;
  /**
   * Those that are on.
   */
  chips: string[];
  /**
   * Selected images, on whatever page.
   */
  selected: number;
  lookups: Lookup[];
  /**
   * The key of the open image; empty if none is.
   */
  open: string;
  read_at: string;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Row".
 */
export interface Row {
  /**
   * [server/]project/fingerprint
   */
  key: string;
  /**
   * One a column.
   */
  cells: Cell[];
  selected?: true;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Lookup".
 */
export interface Lookup {
  /**
   * Of its chip.
   */
  name: string;
  state: "reading" | "consent" | "ready" | "failed";
  text: string;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Detail".
 */
export interface Detail {
  key: string;
  title: string;
  subtitle: string;
  fingerprint: string;
  public: Switch;
  auto_update: Switch;
  facts: Fact[];
  /**
   * Whether a copy can be kept current.
   */
  follows: boolean;
  aliases: {
    name: string;
    text: string;
  }[];
  properties: Property[];
  more_properties: number;
  writable: boolean;
  /**
   * Whether the server can be asked who uses it.
   */
  explains: boolean;
  refreshable: boolean;
  /**
   * A date, or empty.
   */
  expires: string;
  expires_text: string;
  profiles: string;
  /**
   * It is being written.
   */
  busy: boolean;
  result: Result | null;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Switch".
 */
export interface Switch {
  on: boolean;
  text: string;
  /**
   * Why it cannot be switched.
   */
  locked: string;
  /**
   * What switching it on means.
   */
  danger?: string;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Fact".
 */
export interface Fact {
  name: string;
  value: string;
  hint?: string;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Property".
 */
export interface Property {
  name: string;
  value: string;
  /**
   * Whether this is all of it, unchanged.
   */
  whole: boolean;
}
/**
 * How the last write ended.
 *
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Result".
 */
export interface Result {
  text: string;
  good: boolean;
  undo: boolean;
  undo_makes_public: boolean;
  conflict: Conflict | null;
  /**
   * An alias of another image, which may be moved to this one.
   */
  movable_alias: string;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Conflict".
 */
export interface Conflict {
  name: string;
  theirs: string;
  ours: string;
}
/**
 * Who uses the open image, once that was asked.
 *
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Explained".
 */
export interface Explained {
  key?: string;
  state?: "reading" | "ready" | "failed";
  text?: string;
  answers?: Fact[];
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Transfer".
 */
export interface Transfer {
  job: number;
  title: string;
  where: string;
  state: "waiting" | "running" | "done" | "failed" | "cancelled";
  fraction: number | null;
  text: string;
  stopping: boolean;
  /**
   * What it wrote to the kernel's disk.
   */
  files: File[];
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "File".
 */
export interface File {
  path: string;
  size: number;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Notice".
 */
export interface Notice {
  number: number;
  text: string;
  good: boolean;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "UploadIdle".
 */
export interface UploadIdle {
  state: "empty" | "done" | "refused";
  text?: string;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "UploadReceiving".
 */
export interface UploadReceiving {
  state: "receiving";
  jobs: number[];
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "UploadAtWork".
 */
export interface UploadAtWork {
  state: "checking" | "uploading";
  job: number;
  name?: string;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "UploadChecked".
 */
export interface UploadChecked {
  state: "checked";
  job: number;
  ok: boolean;
  /**
   * Only its metadata are missing, and they can be made.
   */
  bare: boolean;
  facts: Fact[];
  problems: string[];
  notes: string[];
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "BulkIdle".
 */
export interface BulkIdle {
  state: "empty" | "planning" | "refused";
  text?: string;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "BulkPlanned".
 */
export interface BulkPlanned {
  state: "planned";
  /**
   * What is asked; empty if there is nothing to do.
   */
  yes: string;
  danger: string;
  hint: string;
  /**
   * Alias, fingerprint, change, reason.
   */
  rows: string[][];
  more: number;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "BulkWorking".
 */
export interface BulkWorking {
  state: "working";
  job: number;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "BulkApplied".
 */
export interface BulkApplied {
  state: "applied";
  text: string;
  good: boolean;
  /**
   * Alias, fingerprint, state, detail.
   */
  rows: string[][];
  more: number;
}
/**
 * Paths on the kernel's machine that begin like the one typed.
 *
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Paths".
 */
export interface Paths {
  path: string;
  found: string[];
}
/**
 * What changed elsewhere, for screen readers.
 *
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "News".
 */
export interface News {
  number: number;
  text: string;
}
/**
 * A file may be sent, from the byte `have` on.
 */
export interface Begin {
  slot: Slot;
  job: number;
  /**
   * Bytes that are there from an earlier attempt.
   */
  have: number;
  /**
   * SHA-256 of the last MiB of them; empty if there are none.
   */
  probe: string;
  /**
   * Bytes of a piece, at most.
   */
  piece: number;
  /**
   * Pieces on the way, at most.
   */
  window: number;
  /**
   * The file's name in the spool folder.
   */
  place: string;
}
/**
 * So many bytes of a file have arrived.
 */
export interface Got {
  job: number;
  have: number;
}
/**
 * Messages of a view, by type. Each also has `view` and `number`; a piece of a file has none of them.
 */
export interface ToKernel {
  load: Nothing;
  hello: Nothing1;
  here: Nothing2;
  bye: Nothing3;
  cancel: OfJob;
  forget: Nothing4;
  dismiss: {
    notice: number;
  };
  set: {
    key: string;
    field: "public" | "auto_update";
    value: boolean;
    confirmed: true;
  };
  edit: {
    key: string;
    field: "properties" | "expires_at" | "profiles";
    /**
     * Of the property.
     */
    name: string;
    /**
     * The value of the property as it was shown.
     */
    before: string;
    value: string;
  };
  undo: Confirmed;
  overwrite: OfImage;
  "dismiss-result": OfImage;
  "add-alias": OfAlias;
  "move-alias": OfImage;
  "delete-alias": OfAlias;
  export: {
    key: string;
    folder: string;
  };
  copy: {
    key: string;
    target: string;
    aliases: string;
    project: string;
    auto_update: boolean;
  };
  refresh: OfImage;
  delete: Confirmed;
  explain: OfImage;
  reload: Nothing5;
  search: {
    query: string;
  };
  chips: {
    chips: string[];
  };
  sort: {
    column: string;
  };
  page: {
    page: number;
  };
  size: {
    size: 10 | 20 | 50 | 100;
  };
  columns: {
    columns: string[];
  };
  /**
   * Select images or not: those with these keys, of this page, or all that match.
   */
  select: {
    keys?: string[];
    what?: "page" | "found";
    on: boolean;
  };
  open: OfImage;
  shut: Nothing5;
  project: {
    project: string;
  };
  lookup: {
    chip: string;
  };
  agree: Nothing5;
  plan: {
    action: "public" | "private" | "update" | "no-update" | "property" | "refresh" | "export" | "delete";
    /**
     * Of a property.
     */
    name?: string;
    /**
     * Of a property; the folder of an export.
     */
    value?: string;
  };
  apply: {
    confirmed: true;
  };
  unplan: Nothing5;
  check: {
    path: string;
    second: string;
  };
  complete: {
    path: string;
  };
  "make-metadata": MakeMetadata;
  upload: {
    aliases: string;
    public: boolean;
  };
  unload: Nothing5;
  "file-begin": {
    slot: Slot;
    name: string;
    size: number;
    /**
     * Milliseconds since 1970.
     */
    modified: number;
    /**
     * Files of this image.
     */
    count: number;
  };
  /**
   * A piece of a file, in one binary buffer.
   */
  "file-piece": {
    job: number;
    offset: number;
    /**
     * The file does not continue what is there.
     */
    restart: boolean;
  };
  "file-direct": OfJob;
  "file-sent": {
    job: number;
    ok: boolean;
  };
}
/**
 * A page asks for the bundle; it is no view's, and not answered by `heard`.
 */
export interface Nothing {}
/**
 * A view asks for every part.
 */
export interface Nothing1 {}
/**
 * A view is still there.
 */
export interface Nothing2 {}
/**
 * A view has gone.
 */
export interface Nothing3 {}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "OfJob".
 */
export interface OfJob {
  job: number;
}
/**
 * Remove the transfers that have ended.
 */
export interface Nothing4 {}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Confirmed".
 */
export interface Confirmed {
  key: string;
  confirmed: true;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "OfImage".
 */
export interface OfImage {
  key: string;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "OfAlias".
 */
export interface OfAlias {
  key: string;
  name: string;
}
/**
 * This interface was referenced by `Messages`'s JSON-Schema
 * via the `definition` "Nothing".
 */
export interface Nothing5 {}
/**
 * Make the metadata of the file that was checked; what is empty is read from the file.
 */
export interface MakeMetadata {
  os: string;
  release: string;
  architecture: string;
  /**
   * The name of one of several container images.
   */
  image: string;
}

// Bundles the panels to one script and one style sheet, and the loader that is sent with each panel; makes the types
// of messages from their schema.
//   node build.js           write all of them
//   node build.js --check   fail if what is there is something else, byte for byte; source maps do not count
//   node build.js --watch   write script and style again whenever a source changes
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { context, build as once } from "esbuild";
import { compile } from "json-schema-to-typescript";

const folder = import.meta.dirname;
const types = `${folder}/src/message_types.d.ts`;

/** @type {import("esbuild").BuildOptions} */
const common = {
  absWorkingDir: folder,
  outdir: `${folder}/../bundle`,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome120", "firefox121", "safari17.2"],
  jsxFactory: "h",
  jsxFragment: "Fragment",
  charset: "utf8",
  legalComments: "none",
};
/** @type {import("esbuild").BuildOptions} */
const panel = { ...common, entryPoints: { panel: "src/main.js" }, sourcemap: "external" };

/**
 * @param {string} version of script and style
 * @returns {import("esbuild").BuildOptions}
 */
function loader(version) {
  return { ...common, entryPoints: { loader: "src/loader.js" }, define: { VERSION: JSON.stringify(version) } };
}

async function messages() {
  const schema = JSON.parse(await readFile(`${folder}/src/messages.json`, "utf8"));
  const bannerComment = "/* Made of messages.json by build.js. */";
  return compile(schema, "Messages", { bannerComment, additionalProperties: false, unreachableDefinitions: true });
}

/** @returns {Promise<[string, string][]>} paths and contents of what is built */
async function built() {
  const files = (await once({ ...panel, write: false })).outputFiles;
  const hash = createHash("sha256");
  for (const { path, text } of files) if (!path.endsWith(".map")) hash.update(text);
  const version = hash.digest("hex").slice(0, 12);
  const all = [...files, ...(await once({ ...loader(version), write: false })).outputFiles];
  return [...all.map((file) => /** @type {[string, string]} */ ([file.path, file.text])), [types, await messages()]];
}

if (process.argv.includes("--watch")) {
  await (await context({ ...panel, logLevel: "info" })).watch();
} else if (process.argv.includes("--check")) {
  const old = [];
  for (const [path, text] of await built()) {
    const there = await readFile(path, "utf8").catch(() => "");
    if (there !== text && !path.endsWith(".map")) old.push(path.slice(path.lastIndexOf("/") + 1));
  }
  if (old.length) {
    console.error(`${old.join(", ")}: not what the sources build to; run 'npm run build' in lxdimg_nb/panels/front`);
    process.exitCode = 1;
  }
} else {
  for (const [path, text] of await built()) await writeFile(path, text);
}

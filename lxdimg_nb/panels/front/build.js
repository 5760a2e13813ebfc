// Bundles the panels to one script and one style sheet, and makes the types of messages from their schema.
//   node build.js           write both
//   node build.js --check   fail if what is there is something else, byte for byte; source maps do not count
//   node build.js --watch   write them again whenever a source changes
import { readFile, writeFile } from "node:fs/promises";
import { context, build as once } from "esbuild";
import { compile } from "json-schema-to-typescript";

const folder = import.meta.dirname;
const bundle = `${folder}/../bundle`;
const types = `${folder}/src/message_types.d.ts`;

/** @type {import("esbuild").BuildOptions} */
const options = {
  absWorkingDir: folder,
  entryPoints: { panel: "src/main.js" },
  outdir: bundle,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome120", "firefox121", "safari17.2"],
  jsxFactory: "h",
  jsxFragment: "Fragment",
  charset: "utf8",
  legalComments: "none",
  sourcemap: "external",
};

async function messages() {
  const schema = JSON.parse(await readFile(`${folder}/src/messages.json`, "utf8"));
  const bannerComment = "/* Made of messages.json by build.js. */";
  return compile(schema, "Messages", { bannerComment, additionalProperties: false, unreachableDefinitions: true });
}

/** @returns {Promise<[string, string][]>} paths and contents of what is built */
async function built() {
  const { outputFiles } = await once({ ...options, write: false });
  return [
    ...outputFiles.map((file) => /** @type {[string, string]} */ ([file.path, file.text])),
    [types, await messages()],
  ];
}

if (process.argv.includes("--watch")) {
  await (await context({ ...options, logLevel: "info" })).watch();
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

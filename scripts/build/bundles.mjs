/**
 * The three bundles that everything of ours runs from, and the small files by which it is reached (ADR 23). `thread` is
 * what the thread of a plain module needs. `hosts` is what processes with modules and rc files need besides, and the modules
 * that ship. `main` is all the rest: the command line and the library.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, relative, resolve } from "node:path";
import { build, transform } from "esbuild";
import { lazyBuiltins } from "./lazy-builtins.mjs";
import { writeLicenses } from "./licenses.mjs";
import { shortenLocals } from "./shorten.mjs";

/** The one program that gets its code from the process that starts it. */
const THREAD_MAIN = "loaders/thread-main";

/** Programs that a file starts: file of dist → bundle and part. */
const PROGRAMS = {
  "cli/main.cjs": ["main", "cli/main"],
  "pictures/draw-main.cjs": ["main", "pictures/draw-main"],
  "instance/plan-thread-main.cjs": ["main", "instance/plan-thread-main"],
  "broker/run-module-main.cjs": ["main", "broker/run-module-main"],
  "rc/script-main.cjs": ["hosts", "rc/script-main"],
  "rc/ts-host.cjs": ["hosts", "rc/ts-host-main"],
  "loaders/thread-main.cjs": ["thread", THREAD_MAIN],
  "loaders/process-main.cjs": ["hosts", "loaders/process-main"],
};

/** What others import: file of dist → bundle and part. */
const LIBRARIES = {
  "index.js": ["main", "index"],
  "rc/authoring.js": ["hosts", "rc/authoring"],
};

/** Parts that tests and benches reach by themselves. The package goes without these files. */
const PARTS = [
  ...[
    "analysis",
    "broker",
    "graph",
    "libraries",
    "loaders",
    "messages",
    "pictures",
    "processes",
    "rc",
    "run",
  ],
  ...["typescript", "units", "waits"],
].map((folder) => `${folder}/index`);
const INSIDE = [...PARTS, "analysis/gantt-svg", "broker/rundir", "pictures/theme"];

const IMPORT_URL = "src/loaders/import-url.ts";
/** As modules and bundles see it. */
const LAUNCHER = "../launch.cjs";
const RESOLVING = "resolving";

const OPTIONS = {
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  logLevel: "warning",
  // Paths to other files of ours are relative to where a module is: all of them are one folder below dist.
  define: { "import.meta.url": "__moduleUrl" },
  banner: { js: 'const __moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
  // The launcher reads it as such.
  charset: "ascii",
  minifyWhitespace: true,
  minifySyntax: true,
  metafile: true,
  // Native, large, or loaded only when something is drawn or printed.
  external: [
    "@dagrejs/graphlib",
    "@nats-io/transport-node",
    "@resvg/resvg-js",
    "@viz-js/viz",
    "jiti",
    "libsql",
    "pino",
    "prom-client",
    "toml-eslint-parser",
    "yaml",
  ],
};

/** Code that is given compiled has to ask its launcher to import. */
const importByLauncher = {
  name: "import-by-launcher",
  setup: ({ onLoad }) =>
    onLoad({ filter: /src.loaders.import-url[.]ts$/ }, () => ({
      contents: `const given = typeof importUrl === "function" ? importUrl : (url) => import(url);
export { given as importUrl };`,
    })),
};

/** Commander needs processes only for commands that are files of their own, which ours are not. */
function processesOnDemand(text, path) {
  if (!/commander.lib.command[.]js$/.test(path)) return text;
  return text.replace(
    "const childProcess = require('node:child_process');",
    "const childProcess = { spawn: (...args) => require('node:child_process').spawn(...args) };",
  );
}

/** Names in code of others do not help our users. */
const shortenOthers = {
  name: "shorten-others",
  setup: ({ onLoad }) =>
    onLoad({ filter: /node_modules.*[.][cm]?js$/ }, async ({ path }) => {
      const text = processesOnDemand(readFileSync(path, "utf8"), path);
      const { code } = await transform(text, { minify: true, legalComments: "none", target: OPTIONS.target });
      return { contents: code };
    }),
};

/** Makes all bundles and the modules, and all files that lead to them. */
export async function makeBundles() {
  const inMain = await makeBundle("main", [...partsOf("main"), ...INSIDE]);
  const inOthers = await makeShared();
  for (const folder of ["bundles", "modules"]) await shortenIn(`dist/${folder}`);
  writeLicenses(new Set([...inMain, ...inOthers]));
  for (const [file, [bundle, part]] of Object.entries(PROGRAMS)) writeProgram(file, bundle, part);
  for (const [file, [bundle, part]] of Object.entries(LIBRARIES)) writeLibrary(file, bundle, part);
  for (const part of INSIDE) writeLibrary(`${part}.js`, "main", part);
}

/**
 * Makes `thread`, `hosts` and the modules. Each takes what another has from there. They are made again until all give
 * what is taken: a part that is given may bring files with it.
 * @returns paths of the files in them
 */
async function makeShared() {
  const thread = { has: new Set(), taken: new Set() };
  const hosts = { has: new Set(), taken: new Set(partsOf("hosts")) };
  for (;;) {
    const before = sizesOf(thread, hosts);
    thread.has = new Set(await makeThread([...thread.taken].sort(), takeLater(hosts)));
    hosts.has = new Set(await makeBundle("hosts", [...hosts.taken].sort(), [takeFrom("thread", thread)]));
    const inModules = await makeModules([takeFrom("thread", thread), takeFrom("hosts", hosts)]);
    if (sizesOf(thread, hosts) === before) return [...thread.has, ...hosts.has, ...inModules];
  }
}

function sizesOf(...bundles) {
  return bundles.flatMap(({ has, taken }) => [has.size, taken.size]).join();
}

async function shortenIn(folder) {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".cjs"))) {
    const file = `${folder}/${name}`;
    writeFileSync(file, await shortenLocals(name, withParts(readFileSync(file, "utf8"))));
  }
}

/** The parts of a bundle by which others reach it. */
function partsOf(bundle) {
  const all = [...Object.values(PROGRAMS), ...Object.values(LIBRARIES)];
  return all.filter(([name]) => name === bundle).map(([, part]) => part);
}

/** @returns paths of all files in it */
async function makeBundle(name, parts, plugins = []) {
  const lines = parts.map(
    (part) => `${JSON.stringify(part)}: () => require(${JSON.stringify(fileOf(part))}),`,
  );
  const { metafile } = await build({
    ...OPTIONS,
    stdin: { contents: `module.exports = {\n${lines.join("\n")}\n};`, resolveDir: process.cwd() },
    outfile: `dist/bundles/${name}.cjs`,
    plugins: [importByLauncher, lazyBuiltins, ...plugins, shortenOthers],
  });
  return Object.keys(metafile.inputs);
}

/**
 * This bundle has no functions around its files, and of each file only what is used, unless another takes it.
 * @param {string[]} parts what others take
 * @param {import("esbuild").Plugin} later takes what is imported later
 * @returns paths of all files that it has something of
 */
async function makeThread(parts, later) {
  const imports = parts.map((part, at) => `import * as part${at} from ${JSON.stringify(fileOf(part))};`);
  const gets = parts.map((part, at) => `const get${at} = () => part${at};`);
  const names = parts.map((part, at) => `get${at} as ${JSON.stringify(part)}`);
  const contents = `import { runThread } from ${JSON.stringify(fileOf(THREAD_MAIN))};
${[...imports, ...gets].join("\n")}
export { ${[`runThread as ${JSON.stringify(THREAD_MAIN)}`, ...names].join(", ")} };`;
  const outfile = "dist/bundles/thread.cjs";
  const { metafile } = await build({
    ...OPTIONS,
    // What has to know its own place belongs into another bundle.
    banner: {},
    stdin: { contents, resolveDir: process.cwd() },
    outfile,
    plugins: [importByLauncher, lazyBuiltins, later],
  });
  const { inputs } = metafile.outputs[outfile];
  return Object.keys(inputs).filter((file) => file.startsWith("src/") && inputs[file].bytesInOutput > 0);
}

/** A part is a file of src without its suffix, or one of a package. */
function fileOf(part) {
  return part.startsWith("node_modules/") ? `./${part}` : `./src/${part}.ts`;
}

/** A module of ours is one file in CommonJS: its thread has no time for a dozen, or for the loader of ES modules. */
async function makeModules(plugins) {
  const modules = readdirSync("src/modules").filter((file) => file.endsWith(".ts"));
  const { metafile } = await build({
    ...OPTIONS,
    entryPoints: modules.map((file) => `src/modules/${file}`),
    outdir: "dist/modules",
    outExtension: { ".js": ".cjs" },
    plugins: [lazyBuiltins, ...plugins, shortenOthers],
  });
  return Object.keys(metafile.inputs);
}

/**
 * What another bundle has, is taken from there. `main` has what it needs itself: a second bundle costs each command
 * 10 ms.
 * @param {string} bundle its name
 * @param {{ has: Set<string>, taken: Set<string> }} shared the paths of its files; gets the parts that are taken
 */
function takeFrom(bundle, { has, taken }) {
  return taking(bundle, taken, ({ file }) => has.has(file) && file !== IMPORT_URL);
}

/** What a thread imports when a module needs it, is in `hosts`. */
function takeLater({ taken }) {
  return taking("hosts", taken, ({ kind }) => kind === "dynamic-import");
}

function taking(bundle, taken, isTaken) {
  return {
    name: `take-from-${bundle}`,
    setup: (building) =>
      building.onResolve({ filter: /./ }, async ({ path, pluginData, ...from }) => {
        if (pluginData === RESOLVING || from.kind === "entry-point") return undefined;
        const found = await building.resolve(path, { ...from, pluginData: RESOLVING });
        const file = relative(process.cwd(), found.path);
        if (found.external || found.namespace !== "file" || !isTaken({ file, kind: from.kind })) return found;
        const part = file.replace(/^src[/](.*)[.]ts$/, "$1");
        taken.add(part);
        return { path: `${bundle}:${part}`, external: true };
      }),
  };
}

/** Writes how a part comes from its bundle. */
function withParts(text) {
  return text
    .replace(/\brequire\("(thread|hosts):([^"]*)"\)/g, `require("${LAUNCHER}").part("$1","$2")`)
    .replace(
      /\bimport\("hosts:([^"]*)"\)/g,
      `Promise.resolve().then(()=>require("${LAUNCHER}").part("hosts","$1"))`,
    );
}

/** The shell notes what Node changes before any code of ours runs, and starts it so that no debugger listens. */
const COMMAND_HEAD = `#!/usr/bin/env sh
':' //; export SLUICE_OPEN_FILES="$(ulimit -Sn)"; exec node --inspect-port=192.0.2.1:65535 "$0" "$@"
`;

/** A file that Node runs. */
function writeProgram(file, bundle, part) {
  if (part === THREAD_MAIN) {
    write(
      file,
      `const { workerData } = require("node:worker_threads");
const { code } = workerData;
// Modules find the same object. It is no longer needed, and its memory is that of all threads.
delete workerData.code;
require("../launch.cjs").runThread(code, ${JSON.stringify(part)});
`,
    );
    return;
  }
  const isCommand = file === "cli/main.cjs";
  const role = isCommand ? "launch.roleOf(process.argv.slice(2))" : JSON.stringify(part);
  write(
    file,
    `${isCommand ? COMMAND_HEAD : ""}const launch = require("../launch.cjs");
launch.partsOf(${JSON.stringify(bundle)}, ${role})[${JSON.stringify(part)}]();
`,
  );
  if (isCommand) chmodSync(`dist/${file}`, 0o755);
}

/** A file that others import. Node need not look for names in all of the bundle: they are written here. */
function writeLibrary(file, bundle, part) {
  const names = Object.keys(
    createRequire(import.meta.url)(resolve(`dist/bundles/${bundle}.cjs`))[part](),
  ).sort();
  const path = `${relative(dirname(file), "bundles")}/${bundle}.cjs`;
  write(
    file,
    `import { createRequire } from "node:module";
const part = load("${path.startsWith(".") ? path : `./${path}`}")[${JSON.stringify(part)}]();
export const { ${names.join(", ")} } = part;
function load(bundle) {
  try {
    return createRequire(import.meta.url)(bundle);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND" || !error.message.includes(bundle)) throw error;
    throw new Error("the files of sluice are not beside " + import.meta.url + ": a bundler has copied its code; leave the package out of the bundle (esbuild: --external:sluice)", { cause: error });
  }
}
`,
  );
}

function write(file, text) {
  mkdirSync(dirname(`dist/${file}`), { recursive: true });
  writeFileSync(`dist/${file}`, text);
}

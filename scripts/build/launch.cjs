/**
 * Gives what a program of ours consists of, compiled at an earlier use where that is kept. Compiling is most of what a
 * short command, or the thread of a module, takes to start. Code so compiled cannot import(): it has to require(), or
 * to ask for `importUrl` (ADR 5, ADR 23).
 */
// Before anything that an older Node lacks.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`Sluice needs Node ≥ 20.19; this is ${process.versions.node}\n`);
  process.exit(1);
}

const { Module } = require("node:module");
const { dirname, join } = require("node:path");
const { Script } = require("node:vm");

/** What this process or thread of ours uses the code for. Undefined where a program has imported the library. */
let ownRole = process.argv[1] === join(__dirname, "loaders", "thread-main.cjs") ? "thread" : undefined;

const fileOf = (name) => join(__dirname, "bundles", `${name}.cjs`);

/** Most threads do without it. */
function cacheOf(bundle, role) {
  const { CodeCache } = require("./code-cache.cjs");
  return new CodeCache(bundle, role);
}

/**
 * Gives the parts of a bundle, each of which starts when it is called. What requires the bundle later in this thread has
 * the same parts.
 * @param {string} name of the bundle: `main` or `hosts`
 * @param {string} role what this process or thread uses it for: the functions of each role are compiled once
 */
function partsOf(name, role) {
  // Node's own answer to this signal is to let anyone on this machine debug the process (docs/security.md). A program that
  // has imported the library decides that itself.
  if (ownRole === undefined) process.on("SIGUSR1", () => {});
  ownRole = role;
  const bundle = fileOf(name);
  if (require.cache[bundle] !== undefined) return require.cache[bundle].exports;
  const cache = cacheOf(bundle, role);
  const { script, parts } = evaluate(bundle, cache.source, cache.code);
  // A listener would keep source and code in memory. Wrong usage has used little, and has any word for a command.
  if (!cache.wasUsed(script)) {
    const write = () => cache.write(() => script.createCachedData(), script.cachedDataRejected);
    process.on("exit", (status) => status !== 2 && write());
  }
  return parts;
}

function evaluate(bundle, source, cachedData) {
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname, importUrl) { ${source}\n})`,
    { filename: bundle, cachedData },
  );
  const module = new Module(bundle);
  Object.assign(module, { filename: bundle, loaded: true });
  require.cache[bundle] = module;
  const importUrl = (url) => import(url);
  const own = Module.createRequire(bundle);
  script.runInThisContext()(module.exports, own, module, bundle, dirname(bundle), importUrl);
  return { script, parts: module.exports };
}

/**
 * Gives a part of a bundle to code of another. A program that has imported the library gets no compiled code.
 * @param {string} name of the bundle
 * @param {string} part its name there
 */
function part(name, part) {
  const parts = ownRole === undefined ? require(fileOf(name)) : partsOf(name, ownRole);
  return parts[part]();
}

/**
 * Gives the code that a process needs for its threads, so that no thread has to look for it.
 * @returns {{ source: string, compiled: Uint8Array | undefined, keep: (compiled: Uint8Array) => void }} `keep` is for
 *   what a thread has compiled
 */
function threadCode() {
  const cache = cacheOf(fileOf("thread"), "thread");
  return {
    source: cache.source,
    compiled: cache.code,
    keep: (compiled) => cache.write(() => compiled, true),
  };
}

/**
 * Runs a thread with the code that its process gives.
 * @param {{ source: string, compiled: Uint8Array | undefined, isWanted: boolean }} code `isWanted`: the process asks for
 *   what this thread compiles
 * @param {string} main the part that runs; gets a function that gives that, if it is of use
 */
function runThread({ source, compiled, isWanted }, main) {
  const { script, parts } = evaluate(fileOf("thread"), source, compiled);
  const isOfUse = isWanted || script.cachedDataRejected === true;
  parts[main](isOfUse ? () => script.createCachedData() : undefined);
}

/** Their second word is a command too, with functions of its own. */
const GROUPS = ["config", "cron", "event", "kvs", "modprobe", "module", "overlay"];

/** The words of a command line that tell which functions it uses. */
function roleOf([first = "", second = ""]) {
  return GROUPS.includes(first) ? `${first} ${second}` : first;
}

module.exports = { part, partsOf, roleOf, runThread, threadCode };

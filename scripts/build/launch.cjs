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

// Node's own answer to this signal is to let anyone on this machine debug the process (docs/security.md). In a thread
// this does nothing.
process.on("SIGUSR1", () => {});

const { Module } = require("node:module");
const { dirname, join } = require("node:path");
const { Script } = require("node:vm");
const { CodeCache } = require("./code-cache.cjs");

/**
 * Gives the parts of a bundle, each of which starts when it is called. What requires the bundle later in this thread has
 * the same parts.
 * @param {string} name of the bundle: `main` or `hosts`
 * @param {string} role what this process or thread uses it for: the functions of each role are compiled once
 */
function partsOf(name, role) {
  const bundle = join(__dirname, "bundles", `${name}.cjs`);
  if (require.cache[bundle] !== undefined) return require.cache[bundle].exports;
  const cache = new CodeCache(bundle, role);
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname, importUrl) { ${cache.source}\n})`,
    { filename: bundle, cachedData: cache.code },
  );
  // A listener would keep source and code in memory. Wrong usage has used little, and has any word for a command.
  if (!cache.wasUsed(script)) process.on("exit", (status) => status !== 2 && cache.write(script));
  const module = new Module(bundle);
  Object.assign(module, { filename: bundle, loaded: true });
  require.cache[bundle] = module;
  const importUrl = (url) => import(url);
  const own = Module.createRequire(bundle);
  script.runInThisContext()(module.exports, own, module, bundle, dirname(bundle), importUrl);
  return module.exports;
}

/** Their second word is a command too, with functions of its own. */
const GROUPS = ["config", "cron", "event", "kvs", "modprobe", "module", "overlay"];

/** The words of a command line that tell which functions it uses. */
function roleOf([first = "", second = ""]) {
  return GROUPS.includes(first) ? `${first} ${second}` : first;
}

module.exports = { partsOf, roleOf };

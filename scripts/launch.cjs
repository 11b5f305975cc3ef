#!/usr/bin/env node
/**
 * Starts the bundle next to it, NAME.bundle.cjs for NAME.cjs, with the code that V8 made of it when it was built:
 * compiling is most of what a short command, or the thread of a module, takes to start. V8 refuses code of another
 * version or for another machine, and the bundle is then compiled as ever. Code so compiled cannot import(): it has to
 * require(), or to ask for `importUrl`. The build copies this file to where it is needed (ADR 5).
 */
// Before anything that an older Node lacks.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`Sluice needs Node ≥ 20.19; this is ${process.versions.node}\n`);
  process.exit(1);
}

const { isMainThread, threadId } = require("node:worker_threads");

// Node's own answer to this signal is to let anyone on this machine debug the process (docs/security.md).
if (isMainThread) process.on("SIGUSR1", () => {});

const { existsSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const { Module } = require("node:module");
const { basename, join } = require("node:path");
const { Script } = require("node:vm");

const name = join(__dirname, basename(__filename, ".cjs"));
const bundle = `${name}.bundle.cjs`;
const codeFile = `${name}.code`;

// Bundles are plain ASCII, and this reads that fastest.
const source = readFileSync(bundle, "latin1");
const script = new Script(
  `(function (exports, require, module, __filename, __dirname, importUrl) { ${source}\n})`,
  { filename: bundle, cachedData: existsSync(codeFile) ? readFileSync(codeFile) : undefined },
);
const main = script.runInThisContext();
main(exports, Module.createRequire(bundle), module, bundle, __dirname, (url) => import(url));

// The build runs commands for this, so that what they used is compiled; each adds to what is there.
const roles = [basename(name), `${basename(name)} ${process.argv[2]}`];
if (roles.includes(process.env.SLUICE_WRITE_CODE)) {
  process.on("exit", () => {
    const draft = `${codeFile}.${process.pid}-${threadId}`;
    writeFileSync(draft, script.createCachedData());
    renameSync(draft, codeFile);
  });
}

#!/usr/bin/env node
/**
 * Starts the command line from its bundle with the code that V8 made of it when it was built: compiling is most of what
 * a short command takes. V8 refuses code of another version or for another machine, and the bundle is then compiled
 * as ever. Code so compiled cannot import(); it has to require(). Copied to dist/cli/main.cjs.
 */
const { existsSync, readFileSync, writeFileSync } = require("node:fs");
const { Module } = require("node:module");
const { join } = require("node:path");
const { Script } = require("node:vm");

const bundle = join(__dirname, "sluice.cjs");
const codeFile = join(__dirname, "sluice.code");

const script = new Script(Module.wrap(readFileSync(bundle, "utf8")), {
  filename: bundle,
  cachedData: existsSync(codeFile) ? readFileSync(codeFile) : undefined,
});
script.runInThisContext()(exports, Module.createRequire(bundle), module, bundle, __dirname);

// The build runs a command for this, so that what it used is compiled.
if (process.env.SLUICE_WRITE_CODE)
  process.on("exit", () => writeFileSync(codeFile, script.createCachedData()));

/**
 * Builds dist/: the types by `tsc`, the code by esbuild, in three bundles of CommonJS, which Node starts sooner (ADR 23); the
 * program of C, the page, and the manual pages. With `--if-changed`, only if something has changed since the last build.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { makeBundles } from "./build/bundles.mjs";
import { makeHelper } from "./build/helper.mjs";
import { makePage } from "./build/page.mjs";
import { makePublicTypes } from "./build/public-types.mjs";
import { inputsOfBuild, isBuilt, stampBuild } from "./build/stamp.mjs";

process.chdir(new URL("..", import.meta.url).pathname);

// The first `npx sluice` in a checkout has npm prepare it once more, under whatever runs from dist meanwhile.
const { npm_command: command, npm_lifecycle_event: event } = process.env;
if (command === "exec" && event === "prepare" && existsSync("dist/cli/main.cjs")) process.exit(0);

const inputs = inputsOfBuild();
if (process.argv.includes("--if-changed") && isBuilt(inputs)) {
  linkCommand();
  process.exit(0);
}

// What has no source any more must not be found.
rmSync("dist", { recursive: true, force: true });
runNode("node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json");
runNode("node_modules/typescript/bin/tsc", "-p", "src/web/client");
makePublicTypes();

for (const file of ["launch.cjs", "code-cache.cjs"]) copyFileSync(`scripts/build/${file}`, `dist/${file}`);
await makeBundles();
makeHelper();
await makePage();

const { Transpiler } = await import("../dist/typescript/index.js");
for (const phase of ["rc1", "rc3"]) await new Transpiler().ship(`${process.cwd()}/etc/modprobe/${phase}.ts`);

runNode("dist/cli/main.cjs", "man-pages", "dist/man/man1");
linkCommand();
stampBuild(inputs);

/** `npx sluice` in the checkout itself finds the command without asking npm. */
function linkCommand() {
  mkdirSync("node_modules/.bin", { recursive: true });
  rmSync("node_modules/.bin/sluice", { force: true });
  symlinkSync("../../dist/cli/main.cjs", "node_modules/.bin/sluice");
}

function runNode(...args) {
  const env = { ...process.env, SLUICE_CONFDIR: "/nonexistent" };
  const { status } = spawnSync(process.execPath, args, { env, stdio: ["ignore", 2, "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
}

/** Whether `dist/` is what the files of now make: a second build of the same files is not needed. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { COMPILERS } from "./helper.mjs";

const STAMP = "dist/.built";
const INPUTS = ["src", "native", "etc", "schema", "scripts/build", "scripts/build.mjs"];
const INPUT_FILES = ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"];

/** Notes what the build has read and made. Call at its end, with what {@link inputsOfBuild} gave at its begin. */
export function stampBuild(inputs) {
  writeFileSync(STAMP, `${JSON.stringify({ inputs, outputs: outputs() })}\n`);
}

/** A digest of all that a build reads, with the versions of the programs that it uses. */
export function inputsOfBuild() {
  const hash = createHash("sha256").update(process.version);
  for (const [compiler] of COMPILERS) {
    hash.update(`\0${spawnSync(compiler, ["--version"], { encoding: "utf8" }).stdout ?? ""}`);
  }
  for (const path of [...INPUTS.flatMap(filesBelow), ...INPUT_FILES].sort()) {
    hash.update(`\0${path}\0`).update(readFileSync(path));
  }
  return hash.digest("hex");
}

/** @returns whether nothing that a build reads, and nothing that it made, has changed since */
export function isBuilt(inputs) {
  try {
    const stamp = JSON.parse(readFileSync(STAMP, "utf8"));
    return stamp.inputs === inputs && stamp.outputs === outputs();
  } catch {
    return false;
  }
}

/** What a build made, by name, size and time of the last change. */
function outputs() {
  const hash = createHash("sha256");
  for (const path of filesBelow("dist").sort()) {
    if (path === STAMP) continue;
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

function filesBelow(path) {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => `${entry.parentPath}/${entry.name}`);
}

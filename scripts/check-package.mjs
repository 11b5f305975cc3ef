/**
 * Packs the package as npm does, and checks what users get: its sizes, entries and types that Node and TypeScript find, no
 * path of the place where it was built, and what works from a place of its own.
 */
import { spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { useInstalled } from "./use-installed.mjs";

const ROOT = resolve(import.meta.dirname, "..");
const PACKED_BYTES_MAX = 1e6;
const INSTALLED_BYTES_MAX = 45e6;

const directory = mkdtempSync(join(tmpdir(), "sluice-package-"));
try {
  const name = run("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", directory]).trim();
  const tarball = join(directory, name);
  atMost("npm pack", statSync(tarball).size, PACKED_BYTES_MAX);
  run("publint", [tarball, "--strict"]);
  // CommonJS users import() it.
  run("attw", [tarball, "--profile", "esm-only"]);
  const prefix = join(directory, "elsewhere");
  mkdirSync(prefix);
  run("npm", [
    "install",
    "--global",
    "--prefix",
    prefix,
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    tarball,
  ]);
  const installed = join(prefix, "lib/node_modules/sluice");
  const files = filesIn(installed);
  atMost(
    "installed",
    files.reduce((sum, file) => sum + lstatSync(file).size, 0),
    INSTALLED_BYTES_MAX,
  );
  const own = files.filter((file) => !file.startsWith(join(installed, "node_modules")));
  const telling = own.filter((file) => readFileSync(file).includes(ROOT));
  if (telling.length > 0) throw new Error(`these name the place of the build: ${telling.join(", ")}`);
  // Statically linked, it names no loader of a C library.
  const helper = join(installed, `dist/bin/sluice-init-${process.platform}-${process.arch}`);
  if (readFileSync(helper).includes("ld-linux"))
    throw new Error(`${helper} needs a C library: install musl-tools`);
  await useInstalled(prefix, process.execPath);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function atMost(what, bytes, most) {
  console.log(`${what}: ${bytes} bytes, at most ${most}`);
  if (bytes > most) throw new Error(`${what}: ${bytes} bytes are more than ${most}`);
}

/** Standard output. */
function run(file, args) {
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Error(`${file}: ${error?.message ?? stdout + stderr}`);
  return stdout;
}

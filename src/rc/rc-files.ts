import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { extname, join } from "node:path";
import { isErrno } from "../errors/index.js";
import { formatOf, type Runlevel } from "../units/index.js";
import { hostProgramFor } from "./host-program.js";

/**
 * The rc files of a phase, in the order of their reading (docs/design/planning.md §8). First comes
 * `<libexecDir>/modprobe/rc1.*`, then for each directory of the search path its `rc1.d/*`, by file name.
 * It leaves out files of other kinds and hidden files. A directory that does not exist counts as empty.
 * @param searchPath in the form of `rcSearchPath`
 * @param onChecking gets each pattern that is searched, for `checking DIR/rc1.d/*`
 * @throws the system error of a directory that exists and cannot be read
 */
export async function rcFiles(
  searchPath: readonly string[],
  runlevel: Runlevel,
  libexecDir: string,
  onChecking: (pattern: string) => void = () => undefined,
): Promise<string[]> {
  const shipped = join(libexecDir, "modprobe");
  const files = (await rcFilesIn(shipped)).filter((name) => name.startsWith(`${runlevel}.`));
  const found = files.map((name) => join(shipped, name));
  for (const directory of searchPath) {
    const part = join(directory, `${runlevel}.d`);
    onChecking(join(part, "*"));
    for (const name of await rcFilesIn(part)) found.push(join(part, name));
  }
  return found;
}

/** Whether this is an rc file by its name: one with code, TOML or YAML. */
export function isRcFile(file: string): boolean {
  if (/\.d\.[cm]?ts$/.test(file)) return false;
  if (hostProgramFor(file) !== undefined) return true;
  return extname(file) !== "" && formatOf(file) !== undefined;
}

async function rcFilesIn(directory: string): Promise<string[]> {
  let entries;
  try {
    entries = await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
  return entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith(".") && isRcFile(entry.name))
    .map((entry) => entry.name)
    .sort(byBytes);
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/**
 * Services that the code of rc files names in `setAlternative` or `set_alternative`, even if it then chooses none.
 */
export function servicesChosenByCode(files: readonly string[]): Set<string> {
  const calls = files
    .filter((file) => hostProgramFor(file) !== undefined)
    .flatMap((file) => [
      ...readFileSync(file, "utf8").matchAll(/\bset_?[aA]lternative\(\s*["'`]([^"'`]+)["'`]/g),
    ]);
  return new Set(calls.map(([, service = ""]) => service));
}

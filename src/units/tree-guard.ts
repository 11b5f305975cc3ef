import { type Dirent, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { type Diagnostic, isErrno } from "../errors/index.js";
import { type FileGuard, refuse } from "./file-guard.js";

/**
 * The check for a directory whose files Sluice both reads and writes.
 * @param directory absolute; it may be missing
 * @throws SluiceError `UNIT_INSECURE` with `EPERM`, and one line for each fault of the directory, of a directory
 *   above it, or of a file in it at any depth. It checks links and their targets
 */
export function refuseInsecureTree(guard: FileGuard, directory: string): void {
  const problems = new Set<Diagnostic>(guard.check(directory));
  const seen = new Set<string>();
  const open = [directory];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const real = realPath(at);
    if (real === undefined || seen.has(real)) continue;
    seen.add(real);
    for (const entry of entriesOf(real)) {
      const path = join(real, entry.name);
      for (const problem of guard.check(path)) problems.add(problem);
      if (entry.isDirectory() || entry.isSymbolicLink()) open.push(path);
    }
  }
  refuse(directory, [...problems]);
}

/** @returns undefined for a path that leads nowhere */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    // Opening the file fails in the same way, and reports the error.
    return undefined;
  }
}

/** @returns nothing for a file, or for a directory that another process has just removed */
function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (isErrno(error, "ENOTDIR") || isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

import { readdir } from "node:fs/promises";
import { type Diagnostic, isErrno } from "../../errors/index.js";
import { unreadable } from "./read-file.js";

/** Names of files in a directory, and the error if it cannot be read. */
export interface FileList {
  readonly names: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * The names in a directory that end in one of the suffixes, in byte order. Hidden files are not among them, as with
 * `*` in a shell. A missing directory counts as empty. Errors: `UNIT_UNREADABLE`.
 */
export async function listFiles(directory: string, suffixes: readonly string[]): Promise<FileList> {
  try {
    const names = await readdir(directory);
    return { names: names.filter((name) => hasSuffix(name, suffixes)).sort(byBytes), diagnostics: [] };
  } catch (error) {
    const isAbsent = isErrno(error, "ENOENT");
    return { names: [], diagnostics: isAbsent ? [] : [unreadable(directory, error)] };
  }
}

function hasSuffix(name: string, suffixes: readonly string[]): boolean {
  return !name.startsWith(".") && suffixes.some((suffix) => name.endsWith(`.${suffix}`));
}

/** JavaScript compares UTF-16 units, whose order differs above U+FFFF. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

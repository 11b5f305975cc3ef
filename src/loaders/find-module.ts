import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ERRNO, isErrno, SluiceError } from "../errors/index.js";
import type { LoaderRegistry } from "./registry.js";

/** The directories in which modules are looked up. */
export interface SearchOptions {
  /** Directories in order of preference: `FLUX_MODULE_PATH`, then the shipped modules. */
  readonly directories: readonly string[];
  readonly registry: LoaderRegistry;
}

/**
 * The file of a module. A text with a slash is a path. It looks a bare name up in each directory, unchanged if it
 * has a known suffix, and with each known suffix (docs/design/modules.md §4).
 * @param nameOrPath a relative path counts from the working directory
 * @returns an absolute path
 * @throws SluiceError `LOAD_NOT_FOUND` with `ENOENT`
 */
export async function findModule(
  nameOrPath: string,
  { directories, registry }: SearchOptions,
): Promise<string> {
  if (nameOrPath.includes("/")) {
    const path = resolve(nameOrPath);
    if (await isFile(path)) return path;
    throw notFound(`${nameOrPath}: No such file or directory`);
  }
  const { suffixes } = registry;
  const names = suffixes.map((suffix) => nameOrPath + suffix);
  if (suffixes.some((suffix) => nameOrPath.includes(suffix))) names.unshift(nameOrPath);
  for (const directory of directories) {
    for (const name of names) {
      const path = resolve(join(directory, name));
      if (await isFile(path)) return path;
    }
  }
  throw notFound(`${nameOrPath}: module not found in search path`);
}

/** A missing directory, or one that may not be entered, does not have the module. */
async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR") || isErrno(error, "EACCES")) return false;
    throw error;
  }
}

function notFound(message: string): SluiceError {
  return new SluiceError("LOAD_NOT_FOUND", message, { errnum: ERRNO.ENOENT });
}

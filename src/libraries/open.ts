import { messageOf } from "../errors/index.js";
import type { LibraryQuery, ModuleLoader } from "../loaders/index.js";
import { digestOf } from "./digest.js";
import type { LibraryManifest } from "./generated/tables.js";
import { readManifest } from "./manifest.js";

/** A library as its first phase leaves it (docs/design/modules.md §6). */
export type OpenedLibrary =
  | {
      readonly kind: "opened";
      /** Absolute. */
      readonly path: string;
      /** `sha256-HEX` of the file, from before it was read. */
      readonly digest: string;
      readonly manifest: LibraryManifest;
    }
  | { readonly kind: "failed"; readonly path: string; readonly problems: readonly string[] };

/**
 * Opens a library: its loader reads what it says of itself, where its code can harm nothing else.
 * @returns in any case; a library that cannot be read has its problems
 */
export async function openLibrary(loader: ModuleLoader, query: LibraryQuery): Promise<OpenedLibrary> {
  const { path } = query;
  const failed = (...problems: readonly string[]): OpenedLibrary => ({ kind: "failed", path, problems });
  try {
    const digest = await digestOf(path);
    const said = await loader.readLibrary?.(query);
    if (said === undefined) return failed("is not a library");
    const read = readManifest(said);
    return read.ok ? { kind: "opened", path, digest, manifest: read.manifest } : failed(...read.problems);
  } catch (error) {
    return failed(messageOf(error));
  }
}

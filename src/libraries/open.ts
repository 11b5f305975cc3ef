import { messageOf } from "../errors/index.js";
import { addonProblem, isAddon, type LibraryQuery, type ModuleLoader } from "../loaders/index.js";
import { digestOf } from "./digest.js";
import { elfProblem } from "./elf.js";
import type { LibraryManifest } from "./generated/tables.js";
import { readManifest } from "./manifest.js";

/** A library after its first phase (docs/design/modules.md §6). */
export type OpenedLibrary =
  | {
      readonly kind: "opened";
      /** Absolute. */
      readonly path: string;
      /** `sha256-HEX` of the file, computed before it was read. */
      readonly digest: string;
      readonly manifest: LibraryManifest;
    }
  | { readonly kind: "failed"; readonly path: string; readonly problems: readonly string[] }
  /** The file is no library. */
  | { readonly kind: "none"; readonly path: string };

/**
 * Opens a library: its loader reads its manifest, isolated from the rest of the process.
 * @returns for any library; one that cannot be read has its problems
 */
export async function openLibrary(loader: ModuleLoader, query: LibraryQuery): Promise<OpenedLibrary> {
  const { path } = query;
  const failed = (...problems: readonly string[]): OpenedLibrary => ({ kind: "failed", path, problems });
  try {
    const digest = await digestOf(path);
    const native = await elfProblem(path);
    if (native !== undefined) return failed(native);
    const addon = isAddon(path) ? await addonProblem(path, query.nodeApiVersion) : undefined;
    if (addon !== undefined) return failed(addon);
    const said = await loader.readLibrary?.(query);
    if (said === undefined) return { kind: "none", path };
    const read = readManifest(said);
    return read.ok ? { kind: "opened", path, digest, manifest: read.manifest } : failed(...read.problems);
  } catch (error) {
    return failed(messageOf(error));
  }
}

/** The texts that mark a library in its file: the name of its export, or of the option that a program must accept. */
const TRACES = ["sluiceLibrary", "sluice.library", "SLUICE_LIBRARY", "sluice-manifest"];

/**
 * Whether a file contains a text that marks a library. For checks of any file: code without such a text must not run
 * only for a check.
 */
export function looksLikeLibrary(file: Uint8Array): boolean {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  return TRACES.some((trace) => bytes.includes(trace));
}

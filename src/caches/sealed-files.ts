import { isAbsolute, join } from "node:path";
import { type Keeping, KeptFiles } from "./kept-files.js";

/** Bytes of a SHA-256. */
const DIGEST_BYTES = 32;
/** The limit for all files of one cache of a user together. */
const USER_LIMIT_BYTES = 64 * 2 ** 20;

/** {@link KeptFiles} with a digest each: a changed or shortened file counts as missing. */
export class SealedFiles {
  readonly #files: KeptFiles;

  constructor(keeping: Keeping) {
    this.#files = new KeptFiles(keeping);
  }

  /**
   * The cache of the user: `$XDG_CACHE_HOME/sluice/NAME`, or below `~/.cache`. It holds 64 MB at most.
   * @returns undefined for a user without a home directory
   */
  static ofUser(
    { XDG_CACHE_HOME = "", HOME = "" }: Readonly<Record<string, string | undefined>>,
    name: string,
  ): SealedFiles | undefined {
    const base = isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(HOME, ".cache");
    if (!isAbsolute(base)) return undefined;
    return new SealedFiles({ directory: join(base, "sluice", name), levels: 3, limit: USER_LIMIT_BYTES });
  }

  read(name: string): Buffer | undefined {
    const kept = this.#files.read(name);
    if (kept === undefined) return undefined;
    const content = kept.subarray(DIGEST_BYTES);
    return digestOf([content]).equals(kept.subarray(0, DIGEST_BYTES)) ? content : undefined;
  }

  write(name: string, content: Uint8Array): void {
    this.#files.write(name, [digestOf([content]), content]);
  }
}

/** SHA-256 of the parts, one after the other. */
export function digestOf(parts: readonly (Uint8Array | string)[]): Buffer {
  // This import is not at the top: it takes 3 ms, and a caller without a file to look for does not need it.
  const hash = process.getBuiltinModule("node:crypto").createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

import {
  closeSync,
  constants,
  fstatSync,
  futimesSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { isOursAlone, isOwnDirectory, makeOwnDirectory } from "./own-directory.js";
import { DRAFT, replaceFile } from "./replace-file.js";

/** The time between two notes that a file was used. */
const USE_NOTED_MS = 3600e3;
/** A draft of this age belongs to a process that was killed. */
const DRAFT_MS = 3600e3;

/** The directory of the files, and their limits. */
export interface Keeping {
  /** Absolute. */
  readonly directory: string;
  /** The number of directories that may be made for it, including itself. */
  readonly levels: number;
  /** Bytes of all files together. */
  readonly limit: number;
}

/**
 * Files that can be made again, in a directory of this user alone. A fault in the directory or a file only costs
 * time, because the cache then neither reads nor writes files. The most recently used files stay.
 */
export class KeptFiles {
  readonly #keeping: Keeping;
  #isOurs: boolean | undefined;

  constructor(keeping: Keeping) {
    this.#keeping = keeping;
  }

  /** The bytes of a file; undefined if it is missing, or if other users can reach it. */
  read(name: string): Buffer | undefined {
    return this.#attempt(() => {
      const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
      const descriptor = openSync(this.#pathOf(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      try {
        const stats = fstatSync(descriptor);
        if (!stats.isFile() || !isOursAlone(stats) || stats.size > this.#keeping.limit) return undefined;
        const now = Date.now();
        if (now - stats.mtimeMs > USE_NOTED_MS) futimesSync(descriptor, now / 1000, now / 1000);
        return readFileSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  /** Keeps a file. If all files together are too large, it removes those that were not used for the longest time. */
  write(name: string, parts: readonly Uint8Array[]): void {
    if (parts.reduce((sum, { length }) => sum + length, 0) > this.#keeping.limit) return;
    const { directory, levels } = this.#keeping;
    try {
      makeOwnDirectory(directory, levels);
    } catch {
      return;
    }
    // The directory may have been missing at the first check.
    this.#isOurs = undefined;
    this.#attempt(() => {
      replaceFile(this.#pathOf(name), parts);
      this.#sweep();
    });
  }

  #sweep(): void {
    const { directory, limit } = this.#keeping;
    const files = readdirSync(directory).flatMap((name) => {
      const path = join(directory, name);
      const stats = lstatSync(path, { throwIfNoEntry: false });
      return stats?.isFile() === true ? [{ name, path, size: stats.size, usedMs: stats.mtimeMs }] : [];
    });
    files.sort((a, b) => b.usedMs - a.usedMs);
    let sum = 0;
    for (const { name, path, size, usedMs } of files) {
      sum += size;
      const isLeftOver = DRAFT.test(name) && usedMs < Date.now() - DRAFT_MS;
      if (sum > limit || isLeftOver) rmSync(path, { force: true });
    }
  }

  #pathOf(name: string): string {
    return join(this.#keeping.directory, name);
  }

  #attempt<T>(action: () => T): T | undefined {
    try {
      this.#isOurs ??= isOwnDirectory(this.#keeping.directory);
      return this.#isOurs ? action() : undefined;
    } catch {
      // The directory is missing, full, read-only or just removed. The cache therefore keeps no file.
      return undefined;
    }
  }
}

import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../../errors/index.js";

/** Enough for one checkpoint of either provider. */
const RESERVE_BYTES = 64 * 1024;

/**
 * Space that is reserved for the end of an instance: on a full disk the last checkpoint takes its place. The provider
 * makes it again when the disk has space again.
 */
export class Reserve {
  readonly #path: string;

  constructor(directory: string) {
    this.#path = join(directory, "reserve");
  }

  /** Takes the space, if the disk has it. */
  make(): void {
    if (statSync(this.#path, { throwIfNoEntry: false })?.size === RESERVE_BYTES) return;
    let file: number | undefined;
    try {
      file = openSync(this.#path, "w", 0o600);
      for (let left = RESERVE_BYTES; left > 0;) left -= writeSync(file, Buffer.alloc(left, 0x20));
      fsyncSync(file);
    } catch (error) {
      if (!isErrno(error, "ENOSPC")) throw error;
      this.release();
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  /** Gives the space to the next write. */
  release(): void {
    rmSync(this.#path, { force: true });
  }
}

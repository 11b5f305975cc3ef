/** A disk whose writes and syncs fail on command, for one instance: a library that is preloaded into all of its processes. */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("./failing-disk.c", import.meta.url));

/** Bits of the calls that fail. */
export const CALLS = { fsync: 1, fdatasync: 2, write: 4 };
/** A sync of data is one or the other of these calls. */
export const SYNCS = CALLS.fsync | CALLS.fdatasync;

const NUMBERS = 5;
const FAILED_AT = 4 * Int32Array.BYTES_PER_ELEMENT;

export class FailingDisk {
  #control;
  #environment;

  /**
   * @param dir where the library and its control file go
   * @param target the directory whose files fail
   */
  constructor(dir, target) {
    const library = join(dir, "failing-disk.so");
    execFileSync("cc", ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl"]);
    const control = join(dir, "failing-disk.control");
    writeFileSync(control, Buffer.alloc(NUMBERS * Int32Array.BYTES_PER_ELEMENT));
    this.#control = openSync(control, "r+");
    this.#environment = { LD_PRELOAD: library, FAILING_DISK_CONTROL: control, FAILING_DISK_DIR: target };
  }

  get environment() {
    return this.#environment;
  }

  /**
   * @param calls bits of {@link CALLS}
   * @param before how many succeed first
   * @param times how many fail; -1: all, until `mend`
   */
  fail({ calls, before, times }) {
    this.#write([0, constants.errno.EIO, before, times]);
    this.#write([calls]);
  }

  mend() {
    this.#write([0]);
  }

  /** How many calls have failed. */
  get failed() {
    const bytes = Buffer.alloc(Int32Array.BYTES_PER_ELEMENT);
    readSync(this.#control, bytes, 0, bytes.length, FAILED_AT);
    return new Int32Array(bytes.buffer, bytes.byteOffset, 1)[0];
  }

  dispose() {
    closeSync(this.#control);
  }

  #write(numbers) {
    writeSync(this.#control, Buffer.from(Int32Array.from(numbers).buffer), 0, undefined, 0);
  }
}

/** Why this machine does not support it; undefined: it does. */
export function failingDiskUnmet() {
  return spawnSync("cc", ["--version"]).error === undefined ? undefined : "there is no C compiler, cc";
}

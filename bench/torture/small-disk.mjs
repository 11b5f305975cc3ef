/**
 * A disk of 3 MB: a tmpfs in a mount namespace of its own. So nothing of it stays when the process that holds
 * it has ended, however this one dies. Needs root.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";

const SIZE = "3m";
const HOLDER = 'mount -t tmpfs -o size="$1",mode=0700 tmpfs "$2" && echo mounted && exec cat';
const BLOCK = Buffer.alloc(64 * 1024, 0x5a);

export class SmallDisk {
  #holder;
  /** The directory, as those see it that are run with `prefix`. */
  dir;

  static async mount(dir) {
    mkdirSync(dir, { mode: 0o700 });
    const args = ["--mount", "--propagation=private", "sh", "-c", HOLDER, "sh", SIZE, dir];
    const holder = spawn("unshare", args, { stdio: ["pipe", "pipe", "inherit"] });
    await once(holder.stdout, "data");
    return new SmallDisk(holder, dir);
  }

  constructor(holder, dir) {
    this.#holder = holder;
    this.dir = dir;
  }

  /** A command line that has the disk. */
  get prefix() {
    return ["nsenter", `--mount=/proc/${this.#holder.pid}/ns/mnt`, "--"];
  }

  /** Takes all space but so many bytes. */
  fill(freeBytes) {
    const filler = this.#filler;
    const file = openSync(filler, "a");
    let size = 0;
    try {
      // Whole blocks first, then single pages, until there is no page left.
      for (const step of [BLOCK, BLOCK.subarray(0, 4096)]) {
        for (;;) {
          const written = writeIfRoom(file, step);
          size += written;
          if (written < step.length) break;
        }
      }
    } finally {
      closeSync(file);
    }
    truncateSync(filler, Math.max(0, size - freeBytes));
  }

  free() {
    rmSync(this.#filler, { force: true });
  }

  get freeBytes() {
    const { bavail, bsize } = statfsSync(this.#seenFromHere);
    return bavail * bsize;
  }

  async dispose() {
    const ended = once(this.#holder, "exit");
    this.#holder.stdin.end();
    await ended;
  }

  get #seenFromHere() {
    return `/proc/${this.#holder.pid}/root${this.dir}`;
  }

  get #filler() {
    return join(this.#seenFromHere, "filler");
  }
}

function writeIfRoom(file, bytes) {
  try {
    return writeSync(file, bytes);
  } catch (error) {
    if (error.code === "ENOSPC") return 0;
    throw error;
  }
}

/** Why there can be none here; undefined: there can. */
export function smallDiskUnmet() {
  return process.getuid?.() === 0 ? undefined : "only root may mount a small disk";
}

import { closeSync, openSync, readSync } from "node:fs";
import { isErrno } from "../errors/index.js";

const CHUNK_BYTES = 1024 * 1024;
/** The limit of a command's input: an endless device or pipe must not fill the memory. */
const INPUT_MAX_BYTES = 256 * 1024 * 1024;

/**
 * Reads a file, a pipe or standard input as a whole.
 * @param file its path, or `-` for standard input
 * @throws RangeError for more than `maxBytes`; the system's error
 */
export function readLimited(file: string, maxBytes = INPUT_MAX_BYTES): Buffer {
  const fd = file === "-" ? 0 : openSync(file, "r");
  try {
    return readAll(fd, maxBytes);
  } finally {
    if (fd !== 0) closeSync(fd);
  }
}

function readAll(fd: number, maxBytes: number): Buffer {
  const chunks: Buffer[] = [];
  for (let total = 0; ;) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const bytes = readSome(fd, chunk);
    if (bytes === 0) return Buffer.concat(chunks);
    total += bytes;
    if (total > maxBytes) throw new RangeError(`has more than ${maxBytes / 1024 / 1024} MiB`);
    chunks.push(chunk.subarray(0, bytes));
  }
}

/** @returns 0 at the end */
function readSome(fd: number, chunk: Buffer): number {
  for (;;) {
    try {
      return readSync(fd, chunk);
    } catch (error) {
      // Another program has set the terminal or pipe to non-blocking.
      if (isErrno(error, "EAGAIN")) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      else throw error;
    }
  }
}

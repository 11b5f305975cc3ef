import { closeSync, openSync, renameSync, rmSync, writevSync } from "node:fs";
import { dirname, join } from "node:path";
import { threadId } from "node:worker_threads";

let drafts = 0;

/** Drafts have names of this form until they are complete. */
export const DRAFT = /^\.draft-[\d-]+$/;

/**
 * Writes a file of mode 0600 as a whole, because another process may read it at the same moment.
 * @throws a system error; then no draft stays behind
 */
export function replaceFile(path: string, parts: readonly Uint8Array[]): void {
  const draft = join(dirname(path), `.draft-${process.pid}-${threadId}-${drafts++}`);
  try {
    const descriptor = openSync(draft, "wx", 0o600);
    try {
      writeAll(descriptor, parts);
    } finally {
      closeSync(descriptor);
    }
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

function writeAll(descriptor: number, parts: readonly Uint8Array[]): void {
  let rest = parts.filter(({ length }) => length > 0);
  while (rest.length > 0) {
    let written = writevSync(descriptor, rest);
    rest = rest.flatMap((part) => {
      const done = Math.min(written, part.length);
      written -= done;
      return done < part.length ? [part.subarray(done)] : [];
    });
  }
}

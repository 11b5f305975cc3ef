import { mkdirSync, renameSync, rmdirSync, rmSync, statSync } from "node:fs";
import { isErrno } from "../../errors/index.js";

/** How large a log file may get, and how many older ones stay beside it. */
export interface LogRotation {
  readonly maxBytes: number;
  /** `FILE.1` is the newest of them. */
  readonly keep: number;
}

/** An older lock belongs to a process that was killed. */
const STALE_LOCK_MS = 10_000;

/**
 * Moves `FILE` to `FILE.1`, `FILE.1` to `FILE.2` and so on; removes the oldest. Ranks that share a file take turns,
 * so that only one of them rotates it.
 * @param isStill whether the file to move still exists: another rank may have moved it already
 * @returns the removed bytes; undefined if another rank rotates the file
 */
export function rotate(path: string, { keep }: LogRotation, isStill: () => boolean): number | undefined {
  const lock = `${path}.lock`;
  if (!locked(lock)) return undefined;
  try {
    if (!isStill()) return 0;
    const oldest = keep === 0 ? path : `${path}.${keep}`;
    const droppedBytes = statSync(oldest, { throwIfNoEntry: false })?.size ?? 0;
    rmSync(oldest, { force: true });
    for (let at = keep - 1; at >= 1; at--) moveIfThere(`${path}.${at}`, `${path}.${at + 1}`);
    if (keep > 0) moveIfThere(path, `${path}.1`);
    return droppedBytes;
  } finally {
    rmdirSync(lock);
  }
}

function locked(lock: string): boolean {
  const made = statSync(lock, { throwIfNoEntry: false });
  if (made !== undefined && Date.now() - made.mtimeMs > STALE_LOCK_MS)
    rmSync(lock, { recursive: true, force: true });
  try {
    mkdirSync(lock, 0o700);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    throw error;
  }
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

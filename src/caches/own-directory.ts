import { existsSync, lstatSync, mkdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { isErrno } from "../errors/index.js";

/** Whether a directory or file belongs to this user, and is closed to all others. */
export function isOursAlone({ uid, mode }: Pick<Stats, "uid" | "mode">): boolean {
  return uid === process.geteuid?.() && (mode & 0o077) === 0;
}

/**
 * Whether a directory is {@link isOursAlone}, and no other user can replace it. The directories above it must belong
 * to root or this user, and be closed to other writers (docs/security.md).
 */
export function isOwnDirectory(directory: string): boolean {
  const real = realpathSync.native(directory);
  const stats = lstatSync(real);
  if (!stats.isDirectory() || !isOursAlone(stats)) return false;
  for (let at = dirname(real); ; at = dirname(at)) {
    const { uid, gid, mode } = lstatSync(at);
    const isSticky = (mode & 0o1000) !== 0;
    const writers = gid === process.getegid?.() ? 0o002 : 0o022;
    if ((uid !== 0 && uid !== process.geteuid?.()) || (!isSticky && (mode & writers) !== 0)) return false;
    if (at === "/") return true;
  }
}

/**
 * Makes a directory of mode 0700, and the missing ones above it.
 * @param levels the largest number of directories that it makes, including the directory itself
 * @throws Error if it would lie in a directory of another user, so that root leaves no files in the home of another
 */
export function makeOwnDirectory(directory: string, levels: number): void {
  const missing: string[] = [];
  let at = directory;
  while (missing.length < levels && !existsSync(at)) {
    missing.unshift(at);
    at = dirname(at);
  }
  if (missing.length > 0 && statSync(at).uid !== process.geteuid?.())
    throw new Error(`${at} belongs to another user`);
  for (const each of missing) {
    try {
      mkdirSync(each, { mode: 0o700 });
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
    }
  }
}

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { checkSocketPath } from "../messages/index.js";
import { ERRNO, errnumOf, isErrno, SluiceError, systemMessage } from "../errors/index.js";
import { atExit } from "../processes/index.js";
import { createFileGuard, refuseInsecureTree } from "../units/index.js";
import { isServed } from "./routing/socket-server.js";
import { RUNDIR_PREFIX, runtimeDirectory } from "./runtime-directory.js";

/** Where a broker keeps files that last as long as it does. */
export interface RunDirectory {
  /** Absolute, mode 0700. */
  readonly path: string;
  /** For transpiled files, mode 0700. All ranks of the directory share it. */
  readonly cacheDir: string;
  /** The directory of durable state without a statedir, mode 0700. */
  readonly stateDir: string;
  /** Removes the files made here; the directory itself only if it was made here. */
  remove(): void;
}

/**
 * Makes or checks the run directory (docs/design/instance.md §2).
 * @param given a directory to use, which is made if it is missing; undefined: a fresh one
 * @param env has the `XDG_RUNTIME_DIR` below which a fresh one goes; without it, the temporary directory
 * @param insecure use a directory even if another user owns it or others may enter it
 * @throws SluiceError `BROKER_STATE` with `EPERM` if the directory is not ours or others may enter it
 */
export function openRunDirectory(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  rank: number,
  insecure = false,
): RunDirectory {
  const isOurs = given === undefined || makeDirectory(given);
  const path = given === undefined ? freshRunDirectory(env) : resolve(given);
  if (!insecure) checkRunDirectory(path);
  const cacheDir = join(path, "cache");
  mkdirSync(cacheDir, { recursive: true, mode: 0o700 });
  const stateDir = mkdtempSync(join(path, `state-${rank}-`));
  // Rank 0 is the last to end. Until then other ranks may need the cache.
  const own = rank === 0 ? [cacheDir, stateDir] : [stateDir];
  const made = isOurs ? [path] : own;
  return {
    path,
    cacheDir,
    stateDir,
    remove: () => made.forEach(removeNowOrAtExit),
  };
}

/**
 * Without a free descriptor, this process cannot read a directory. It then removes the directory at its end, when it
 * has closed some descriptors.
 */
function removeNowOrAtExit(directory: string): void {
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    remove();
  } catch (error) {
    if (!isErrno(error, "EMFILE") && !isErrno(error, "ENFILE")) throw error;
    atExit(remove);
  }
}

/**
 * Removes the files that a killed broker has left in the run directory of its instance: its socket, and its temporary
 * state.
 */
export function removeRankFiles(rundir: string, rank: number): void {
  const isOurs = new RegExp(`^(local-${rank}|state-${rank}-.*)$`);
  for (const name of readdirSync(rundir).filter((entry) => isOurs.test(entry))) {
    rmSync(join(rundir, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * Removes the run directory of an instance without a supervisor. The last rank that leaves does it. This also
 * removes the files of killed ranks.
 */
export async function removeAbandonedRundir(rundir: string): Promise<void> {
  try {
    const sockets = readdirSync(rundir).filter((name) => /^local-\d+$/.test(name));
    const served = await Promise.all(sockets.map((name) => isServed(join(rundir, name))));
    if (!served.includes(true)) rmSync(rundir, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    // Another rank was first.
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/**
 * Makes a fresh directory, mode 0700, below `XDG_RUNTIME_DIR`, or the temporary directory if that is not set.
 * @throws SluiceError `BROKER_STATE` if that cannot be done there
 */
export function freshRunDirectory(env: Readonly<Record<string, string | undefined>>): string {
  const parent = runtimeDirectory(env);
  try {
    return mkdtempSync(join(parent, RUNDIR_PREFIX));
  } catch (cause) {
    throw new SluiceError("BROKER_STATE", `cannot make a rundir below ${parent}: ${systemMessage(cause)}`, {
      cause,
      errnum: errnumOf(cause),
    });
  }
}

/**
 * Makes a directory and the missing ones above it, as `mkdir -p` does. Node's own `recursive` never ends where a file
 * system answers ENOENT to making a directory, such as /proc.
 * @param onMade called with the parent of each new directory
 * @returns whether the directory was missing
 * @throws the system error; `EEXIST` if there is another kind of file of that name
 */
function makeDirectory(path: string, onMade: (parent: string) => void = () => undefined): boolean {
  const missing: string[] = [];
  for (let at = path; !existsSync(at); at = dirname(at)) missing.push(at);
  for (const directory of missing.reverse()) {
    makeUnlessThere(directory);
    onMade(dirname(directory));
  }
  // Throws EEXIST for a file, and does nothing for a directory.
  if (missing.length === 0) mkdirSync(path, { recursive: true });
  return missing.length > 0;
}

/** Another rank that starts at the same time may make it first. */
function makeUnlessThere(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (!isErrno(error, "EEXIST") || !statSync(directory).isDirectory()) throw error;
  }
}

/** Makes the names in a directory survive a loss of power. */
function syncDirectory(directory: string): void {
  const file = openSync(directory, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * The directory of a rank's durable state, below the directory for the whole instance (docs/design/instance.md §2).
 */
export function stateDirectoryOf(given: string, rank: number): string {
  return rank === 0 ? given : join(given, `rank-${rank}`);
}

/**
 * Makes the directory of durable state from an attribute if it is missing, for this user alone
 * (docs/design/instance.md §2). Ranks other than 0 each have a directory of their own in it, because the same modules
 * keep the same files there.
 * @returns its absolute path
 * @throws SluiceError `BROKER_STATE` if it cannot be made, or is the run directory; `UNIT_INSECURE` if others may have
 *   written in it
 */
export function openStateDirectory(
  given: string,
  { rank, rundir, insecure = false }: StateDirectoryOptions,
): string {
  const path = resolve(stateDirectoryOf(given, rank));
  if (!insecure) refuseInsecureTree(createFileGuard(), path);
  try {
    makeDirectory(path, syncDirectory);
  } catch (cause) {
    throw new SluiceError("BROKER_STATE", `cannot make statedir ${path}: ${systemMessage(cause)}`, {
      cause,
      errnum: errnumOf(cause),
    });
  }
  if (realpathSync(path) === realpathSync(rundir)) {
    // Both have a file instance.json. The instance removes its run directory at its end.
    throw new SluiceError("BROKER_STATE", `statedir ${path} is also the rundir; choose another directory`, {
      errnum: ERRNO.EINVAL,
    });
  }
  return path;
}

interface StateDirectoryOptions {
  readonly rank: number;
  readonly rundir: string;
  /** Use a directory even if others may write to it. */
  readonly insecure?: boolean | undefined;
}

function checkRunDirectory(path: string): void {
  const stats = statSync(path);
  const uid = process.getuid?.() ?? stats.uid;
  const refuse = (problem: string, remedy: string): never => {
    throw new SluiceError("BROKER_STATE", `rundir ${path} ${problem}; ${remedy}`, { errnum: ERRNO.EPERM });
  };
  if (!stats.isDirectory()) refuse("is not a directory", "choose another path");
  if (stats.uid !== uid) refuse("belongs to another user", `try: chown ${uid} ${path}`);
  if ((stats.mode & 0o077) !== 0) refuse("is open to other users", `try: chmod 700 ${path}`);
}

/**
 * The path of a rank's socket.
 * @throws SluiceError `BROKER_STATE` with `EINVAL` if it is over 107 bytes
 */
export function socketPath(rundir: string, rank: number): string {
  const path = join(rundir, `local-${rank}`);
  checkSocketPath(path, "BROKER_STATE");
  return path;
}

import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { checkSocketPath } from "../messages/index.js";
import { ERRNO, errnumOf, messageOf, SluiceError } from "../errors/index.js";

/** Where a broker keeps what lives as long as it does. */
export interface RunDirectory {
  /** Absolute, mode 0700. */
  readonly path: string;
  /** For transpiled files, mode 0700. */
  readonly cacheDir: string;
  /** Where durable state goes that nobody wanted elsewhere, mode 0700. */
  readonly stateDir: string;
  /** Takes away what was made here; the directory itself only if it was made here. */
  remove(): void;
}

/**
 * Makes or checks the run directory (instance.md §2).
 * @param given a directory to use, made if it is missing; undefined: a fresh one
 * @param env whose `XDG_RUNTIME_DIR` a fresh one goes below; without it the temporary directory
 * @throws SluiceError `BROKER_STATE` with `EPERM` if the directory is not ours or others may enter it
 */
export function openRunDirectory(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  rank: number,
): RunDirectory {
  const isOurs = given === undefined || mkdirSync(given, { recursive: true, mode: 0o700 }) !== undefined;
  const path = given ?? mkdtempSync(join(env["XDG_RUNTIME_DIR"] ?? tmpdir(), "sluice-"));
  checkRunDirectory(path);
  const cacheDir = mkdtempSync(join(path, `cache-${rank}-`));
  const stateDir = mkdtempSync(join(path, `state-${rank}-`));
  const made = isOurs ? [path] : [cacheDir, stateDir];
  return {
    path,
    cacheDir,
    stateDir,
    remove: () => made.forEach((directory) => rmSync(directory, { recursive: true, force: true })),
  };
}

/**
 * Makes the directory of durable state that an attribute names, if it is missing, for us alone (instance.md §2).
 * @returns its absolute path
 * @throws SluiceError `BROKER_STATE` if it cannot be made
 */
export function openStateDirectory(given: string): string {
  const path = resolve(given);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new SluiceError("BROKER_STATE", `statedir ${path} cannot be made: ${messageOf(cause)}`, {
      cause,
      errnum: errnumOf(cause),
    });
  }
  return path;
}

function checkRunDirectory(path: string): void {
  const stats = statSync(path);
  const uid = process.getuid?.() ?? stats.uid;
  const refuse = (problem: string, remedy: string): never => {
    throw new SluiceError("BROKER_STATE", `rundir ${path} ${problem}; ${remedy}`, { errnum: ERRNO.EPERM });
  };
  if (!stats.isDirectory()) refuse("is no directory", "name another");
  if (stats.uid !== uid) refuse("is not ours", `try: chown ${uid} ${path}`);
  if ((stats.mode & 0o077) !== 0) refuse("is open to others", `try: chmod 700 ${path}`);
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

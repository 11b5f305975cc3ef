import { tmpdir } from "node:os";
import { resolve } from "node:path";

/** Environment variables by name, as in `process.env`. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The prefix of the names of run directories. */
export const RUNDIR_PREFIX = "sluice-";

/** Where run directories are made: `XDG_RUNTIME_DIR`, or the temporary directory if that is not set. */
export function runtimeDirectory(env: Env): string {
  // An empty value counts as unset, because it would be another relative directory for each process.
  return resolve(env["XDG_RUNTIME_DIR"] || tmpdir());
}

/**
 * The directories in which run directories of this user are searched. A shell without `XDG_RUNTIME_DIR`, such as a
 * shell of `su`, also finds the instances of the user's other shells.
 */
export function runtimeDirectories(env: Env): string[] {
  const own = runtimeDirectory(env);
  const uid = process.getuid?.();
  return env["XDG_RUNTIME_DIR"] || uid === undefined ? [own] : [own, `/run/user/${uid}`];
}

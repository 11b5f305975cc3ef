import { readProc } from "./proc.js";

/**
 * Environment variable with the soft limit of open files that `sluice` was started with. Node raises its own
 * limit to the hard limit, which children would inherit. Programs that close all descriptors up to it, or
 * that use `select`, do not expect such a limit.
 */
const OPEN_FILES_VARIABLE = "SLUICE_OPEN_FILES";

const SCRIPT = 'ulimit -Sn "$0" && exec "$@"';

/** The limit that the launcher recorded before the start of Node, or else the limit of the parent process. */
const startedWith = process.env[OPEN_FILES_VARIABLE] ?? softLimit(process.ppid);

const inherited = softLimit(process.pid);

/** An environment for a child, with the limit. */
export function withOpenFilesLimit(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return startedWith === undefined || OPEN_FILES_VARIABLE in env
    ? env
    : { ...env, [OPEN_FILES_VARIABLE]: startedWith };
}

/** The soft limit to set for a child; undefined where the child inherits it. */
export function openFilesLimit(): string | undefined {
  if (startedWith === undefined || inherited === undefined) return undefined;
  return count(startedWith) >= count(inherited) ? undefined : startedWith;
}

/** The hard limit of this process, which children inherit. */
export function hardOpenFilesLimit(): string | undefined {
  return /^Max open files\s+\S+\s+(\d+|unlimited)/m.exec(readProc(process.pid, "limits"))?.[1];
}

/**
 * A command that runs another one under the limit; undefined where the command inherits that limit, or sets it
 * itself.
 */
export function underOpenFilesLimit(command: readonly string[]): readonly string[] | undefined {
  const limit = openFilesLimit();
  if (limit === undefined || command.includes(process.execPath)) return undefined;
  return ["/bin/sh", "-c", SCRIPT, limit, ...command];
}

function count(limit: string): number {
  return limit === "unlimited" ? Infinity : Number(limit);
}

/** As a number, or `unlimited`; undefined without `/proc`. */
function softLimit(pid: number): string | undefined {
  return /^Max open files\s+(\d+|unlimited)/m.exec(readProc(pid, "limits"))?.[1];
}

import { readFile } from "node:fs/promises";
import { isErrno } from "../../errors/index.js";
import { cpuSeconds } from "../../messages/index.js";

/** The resource usage of a process. */
export interface ProcessUsage {
  /** User and system time of all its threads. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

const KIB = 1024;

/** The resource usage of another process of ours; undefined if it has ended, or the system does not provide it (proc(5)). */
export async function processUsage(pid: number): Promise<ProcessUsage | undefined> {
  try {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile(`/proc/${pid}/status`, "utf8"),
    ]);
    const rss = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    // A process that has ended and was not reaped yet has no memory any more.
    return rss === undefined ? undefined : { cpuSeconds: cpuSeconds(stat), rssBytes: Number(rss) * KIB };
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

/** The resource usage of this process. */
export function ownUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, rssBytes: process.memoryUsage.rss() };
}

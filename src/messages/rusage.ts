import { requestError } from "../errors/index.js";
import { fields } from "./fields.js";
import type { Payload } from "./types.js";

/** CPU times in seconds; for the whole process also the other fields of getrusage(2), memory in KiB. */
export interface ResourceUsage {
  readonly utime: number;
  readonly stime: number;
  readonly [field: string]: number;
}

/** Linux counts the times in /proc in hundredths of a second, for any tick of the kernel (proc(5)). */
const TICKS_PER_SECOND = 100;

/** Fields of proc(5) `stat`, counted from the one after the name in brackets. */
const STAT_FIELD = { utime: 11, stime: 12, cutime: 13, cstime: 14 } as const;

/**
 * Answers `NAME.rusage`.
 * @param payload `who?`: `self` (the process, the default), `thread`, or `children` (those that have ended and were
 *   waited for)
 * @throws SluiceError `BROKER_REQUEST` with `EPROTO` for another `who`
 */
export function resourceUsage(payload: Payload): ResourceUsage {
  const { who = "self" } = fields(payload, { who: "string?" });
  switch (who) {
    case "self":
      return processUsage();
    case "thread":
      return times("/proc/thread-self/stat", STAT_FIELD.utime, STAT_FIELD.stime);
    case "children":
      return times("/proc/self/stat", STAT_FIELD.cutime, STAT_FIELD.cstime);
    default:
      throw requestError("EPROTO", `'who' must be one of self, thread, children, not '${who}'`);
  }
}

function processUsage(): ResourceUsage {
  const usage = process.resourceUsage();
  return {
    utime: usage.userCPUTime / 1e6,
    stime: usage.systemCPUTime / 1e6,
    maxrss: usage.maxRSS,
    ixrss: usage.sharedMemorySize,
    idrss: usage.unsharedDataSize,
    isrss: usage.unsharedStackSize,
    minflt: usage.minorPageFault,
    majflt: usage.majorPageFault,
    nswap: usage.swappedOut,
    inblock: usage.fsRead,
    oublock: usage.fsWrite,
    msgsnd: usage.ipcSent,
    msgrcv: usage.ipcReceived,
    nsignals: usage.signalsCount,
    nvcsw: usage.voluntaryContextSwitches,
    nivcsw: usage.involuntaryContextSwitches,
  };
}

function times(path: string, utime: number, stime: number): ResourceUsage {
  // Read synchronously, because a thread pool would read the figures of its own thread. Reading it causes no access
  // to a disk.
  const columns = columnsOf(process.getBuiltinModule("node:fs").readFileSync(path, "utf8"));
  return { utime: secondsAt(columns, utime), stime: secondsAt(columns, stime) };
}

/** CPU time, user and system, from the proc(5) `stat` of a process, in seconds. */
export function cpuSeconds(stat: string): number {
  const columns = columnsOf(stat);
  return secondsAt(columns, STAT_FIELD.utime) + secondsAt(columns, STAT_FIELD.stime);
}

/** The fields after the name in brackets, which may itself have blanks and brackets. */
function columnsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function secondsAt(columns: readonly string[], index: number): number {
  return Number(columns[index]) / TICKS_PER_SECOND;
}

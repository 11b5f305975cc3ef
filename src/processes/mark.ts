import { readlinkSync } from "node:fs";
import { isMainThread, threadId } from "node:worker_threads";
import { isErrno } from "../errors/index.js";
import { processIds, readProc } from "./proc.js";
import { signalProcess } from "./signals.js";
import { sleep } from "./timers.js";

/**
 * The environment variable that marks all processes of an owner. A search by it finds indirect child processes too,
 * in any session and process group. It has the marks of all owners above it, outermost first, separated by commas.
 */
export const MARK_VARIABLE = "SLUICE_STARTED_BY";

/** How long killed processes may take to end. */
const GONE_WITHIN_MS = 5000;
const CHECK_MS = 10;

/** The processes that a process starts, or a part of them, such as those of one broker or module. */
export interface Mark {
  /**
   * `NAMESPACE:PID:STARTED.` of the owner, then a number with a dot for each nested part; in a worker with `tTHREAD-`
   * before it.
   */
  readonly text: string;
}

let lastPart = 0;

/**
 * The mark of all processes that a process starts. It identifies the process until the machine restarts, so that a
 * later process can check whether it still runs.
 * @returns undefined without `/proc`, and for a process that has ended
 */
export function markOf(pid: number): Mark | undefined {
  if (pid === process.pid) return (ownMark ??= makeMark(pid));
  return makeMark(pid);
}

let ownMark: Mark | undefined;

function makeMark(pid: number): Mark | undefined {
  const startedAt = startTime(pid);
  const namespace = pidNamespace();
  if (startedAt === undefined || namespace === undefined) return undefined;
  return { text: `${namespace}:${pid}:${startedAt}.` };
}

/** The mark of the nearest owner above this process; undefined if it has no owner. */
export function inheritedMark(): Mark | undefined {
  const text = marksIn(process.env[MARK_VARIABLE] ?? "").at(-1);
  return text === undefined ? undefined : { text };
}

/** A mark for a part of the processes of a mark. A search for the whole finds it too. */
export function partOf(whole: Mark): Mark {
  // Each thread of a process counts separately.
  const thread = isMainThread ? "" : `t${threadId}-`;
  return { text: `${whole.text}${thread}${++lastPart}.` };
}

/**
 * The mark for the processes of one part of this process, and an environment with it.
 * @param env has the marks of the whole
 */
export function partEnvironment(env: NodeJS.ProcessEnv): {
  readonly env: NodeJS.ProcessEnv;
  readonly mark: Mark | undefined;
} {
  const marks = marksIn(env[MARK_VARIABLE] ?? process.env[MARK_VARIABLE] ?? "");
  const own = markOf(process.pid);
  if (own === undefined) return { env, mark: undefined };
  const whole = marks.at(-1)?.startsWith(own.text) ? { text: marks.pop() ?? "" } : own;
  const mark = partOf(whole);
  return { env: { ...env, [MARK_VARIABLE]: [...marks, mark.text].join(",") }, mark };
}

/**
 * An environment for a child. It has the marks of its own variables, else the marks of this process, and one more.
 */
export function markedEnvironment(env: NodeJS.ProcessEnv, mark: Mark | undefined): NodeJS.ProcessEnv {
  const inherited = env[MARK_VARIABLE] ?? process.env[MARK_VARIABLE] ?? "";
  const isMarked = mark === undefined || marksIn(inherited).some((text) => text.startsWith(mark.text));
  const value = isMarked ? inherited : [inherited, mark.text].filter(Boolean).join(",");
  return value === "" ? env : { ...env, [MARK_VARIABLE]: value };
}

/** Running processes with a mark, without this one. */
function processesOf(mark: Mark): number[] {
  return processIds().filter((pid) => pid !== process.pid && isStartedBy(pid, mark));
}

/** Whether a process has a mark. */
export function isStartedBy(pid: number, mark: Mark): boolean {
  return marksOf(pid).some((text) => text.startsWith(mark.text));
}

/** The same, with the system's data about each process; empty without `/proc`. */
export function membersOf(
  mark: Mark | undefined,
): { readonly pid: number; readonly state: string; readonly name: string }[] {
  return (mark === undefined ? [] : processesOf(mark)).flatMap((pid) => {
    const text = readProc(pid, "stat");
    const end = text.lastIndexOf(")");
    const name = text.slice(text.indexOf("(") + 1, end);
    return text === "" ? [] : [{ pid, state: text.charAt(end + 2), name }];
  });
}

/**
 * Kills all processes with a mark, and those that they start meanwhile.
 * @returns the remaining processes: they belong to another user, or the kernel holds them
 */
export async function sweep(mark: Mark | undefined): Promise<readonly number[]> {
  return mark === undefined ? [] : killUntilGone(() => processesOf(mark));
}

/** Kills all processes that have a mark at this moment, for a process that is about to end. */
export function killMarked(mark: Mark | undefined): void {
  for (const pid of mark === undefined ? [] : processesOf(mark)) signalProcess(pid, "SIGKILL");
}

/**
 * Kills the processes that killed owners have left. An owner counts as killed only together with all owners above it.
 * @param isSpared whether a process will end by itself, by its command line
 */
export async function sweepOrphans(isSpared: (words: readonly string[]) => boolean): Promise<void> {
  await killUntilGone(() =>
    processIds().filter((pid) => {
      const marks = pid === process.pid ? [] : marksOf(pid);
      return (
        marks.length > 0 &&
        marks.every((text) => isLost(text)) &&
        ownerOfProcess(pid) === process.getuid?.() &&
        !isSpared(readProc(pid, "cmdline").split("\0"))
      );
    }),
  );
}

async function killUntilGone(find: () => number[]): Promise<readonly number[]> {
  const deadlineMs = performance.now() + GONE_WITHIN_MS;
  const denied = new Set<number>();
  for (;;) {
    const found = foundBy(find)?.filter((pid) => !denied.has(pid));
    if (found?.length === 0) return [...denied];
    for (const pid of found ?? []) if (signalProcess(pid, "SIGKILL") === "denied") denied.add(pid);
    if (performance.now() > deadlineMs) return found ?? [];
    await sleep(CHECK_MS);
  }
}

/** @returns undefined as long as this process cannot open a file */
export function foundBy<Found>(find: () => Found): Found | undefined {
  try {
    return find();
  } catch (error) {
    if (isErrno(error, "EMFILE") || isErrno(error, "ENFILE")) return undefined;
    throw error;
  }
}

/** Whether a mark's owner has ended. This process cannot check an owner in another namespace of process ids. */
export function isLost(text: string): boolean {
  const [namespace, pid, startedAt] = text.split(/[:.]/);
  return namespace === pidNamespace() && startTime(Number(pid)) !== startedAt;
}

function marksOf(pid: number): readonly string[] {
  const environment = `\0${readProc(pid, "environ")}`;
  const at = environment.indexOf(`\0${MARK_VARIABLE}=`);
  if (at < 0) return [];
  const value = environment.slice(at + MARK_VARIABLE.length + 2);
  return marksIn(value.slice(0, value.indexOf("\0")));
}

function marksIn(value: string): string[] {
  return value.split(",").filter(Boolean);
}

/**
 * In ticks since the start of the machine. With another start time, the same process id belongs to another process.
 */
function startTime(pid: number): string | undefined {
  const text = readProc(pid, "stat");
  // The name before it is in brackets, and may contain any character.
  const [state, ...fields] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return text === "" || state === "Z" ? undefined : fields[18];
}

function ownerOfProcess(pid: number): number | undefined {
  const [, uid] = /^Uid:\s+\d+\s+(\d+)/m.exec(readProc(pid, "status")) ?? [];
  return uid === undefined ? undefined : Number(uid);
}

let namespaceOfThis: string | undefined;

function pidNamespace(): string | undefined {
  try {
    return (namespaceOfThis ??= /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0]);
  } catch {
    return undefined;
  }
}

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";
import { constants } from "node:os";
import { hasRealPipes } from "./real-pipes.js";
import { startTimer } from "./timers.js";

/** How a process ended. */
export type ProcessEnd =
  | { readonly kind: "exited"; readonly status: number }
  | { readonly kind: "killed"; readonly signal: NodeJS.Signals };

/** Where a process writes. */
export type OutputStreamName = "stdout" | "stderr";

/** How long output may still come when the process has ended but another process holds its pipes. */
const LAST_OUTPUT_MS = 100;

/** The same where the pipes end with the process. Only a busy machine needs that time. */
const LAST_PIPED_MS = 10_000;

/** The names of fatal signals in C's `strsignal`, which shells print. */
const SIGNAL_TEXT: Readonly<Record<string, string>> = {
  SIGHUP: "Hangup",
  SIGINT: "Interrupt",
  SIGQUIT: "Quit",
  SIGILL: "Illegal instruction",
  SIGTRAP: "Trace/breakpoint trap",
  SIGABRT: "Aborted",
  SIGBUS: "Bus error",
  SIGFPE: "Floating point exception",
  SIGKILL: "Killed",
  SIGUSR1: "User defined signal 1",
  SIGSEGV: "Segmentation fault",
  SIGUSR2: "User defined signal 2",
  SIGPIPE: "Broken pipe",
  SIGALRM: "Alarm clock",
  SIGTERM: "Terminated",
  SIGXCPU: "CPU time limit exceeded",
  SIGXFSZ: "File size limit exceeded",
  SIGSYS: "Bad system call",
};

/**
 * Waits until a process has ended and its output is read. A process that it left in the background may keep
 * its pipes open for any time. This does not wait for that process.
 * @throws the error of a process that could not be started, or that an AbortSignal ended
 */
export async function processEnd(child: ChildProcess): Promise<ProcessEnd> {
  const exited = once(child, "exit");
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const [status, signal] = (await exited) as [number | null, NodeJS.Signals | null];
  await atMost(hasRealPipes(child) ? LAST_PIPED_MS : LAST_OUTPUT_MS, closed);
  releaseOutputs(child);
  return endOf(status, signal);
}

/** The end of a process, from the arguments of Node's `exit` event. */
export function endOf(status: number | null, signal: NodeJS.Signals | null): ProcessEnd {
  // Node returns neither of them if the system reported neither.
  return signal === null ? { kind: "exited", status: status ?? 0 } : { kind: "killed", signal };
}

/** Stops waiting for the output of a process that still runs. */
export function releaseOutputs(child: ChildProcess): void {
  for (const stream of [child.stdout, child.stderr]) if (stream instanceof Socket) stream.unref();
}

/** Whether it exited with status 0. */
export function isSuccess(end: ProcessEnd): boolean {
  return end.kind === "exited" && end.status === 0;
}

/** The status in the form of a shell: the status, or 128 + the number of the signal. */
export function shellStatus(end: ProcessEnd): number {
  return end.kind === "exited" ? end.status : 128 + constants.signals[end.signal];
}

/** The end of a module: `exit status N`, or `killed by Segmentation fault` (docs/design/modules.md §3). */
export function moduleEndText(end: ProcessEnd): string {
  return end.kind === "exited" ? `exit status ${end.status}` : `killed by ${signalText(end.signal)}`;
}

/**
 * The end of a command that a task, an rc file or cron runs: `exited with exit status N`, or `died by signal N`
 * (docs/design/planning.md §8).
 */
export function commandEndText(end: ProcessEnd): string {
  return end.kind === "exited"
    ? `exited with exit status ${end.status}`
    : `died by signal ${constants.signals[end.signal]}`;
}

/**
 * The end of a part of the instance, a broker or a phase: `ended with status N`, or `was killed by SIGKILL`.
 * @param verb `failed` for a part whose status is its result, such as rc1
 */
export function partEndText(end: ProcessEnd, verb: "ended" | "failed" = "ended"): string {
  return end.kind === "exited" ? `${verb} with status ${end.status}` : `was killed by ${end.signal}`;
}

/** The text of a shell for the signal that ended a process, such as `Segmentation fault`; without a text, the name of the signal. */
export function signalText(signal: string): string {
  return SIGNAL_TEXT[signal] ?? signal;
}

/** The name of a signal. A signal without a name in Node, such as a real-time signal, gets `SIG` and its number. */
export function signalOfNumber(number: number): NodeJS.Signals {
  const named = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return (named ?? `SIG${number}`) as NodeJS.Signals;
}

/** Undoes {@link shellStatus}. */
export function endOfShellStatus(status: number): ProcessEnd {
  const named = Object.entries(constants.signals).find(([, number]) => number === status - 128)?.[0];
  return named === undefined
    ? { kind: "exited", status }
    : { kind: "killed", signal: named as NodeJS.Signals };
}

async function atMost(limitMs: number, promise: Promise<void>): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = startTimer(limitMs, resolve);
    void promise.then(() => {
      timer.cancel();
      resolve();
    });
  });
}

import { ERRNO, SluiceError } from "../../errors/index.js";
import { sleep, startTimer } from "../../processes/index.js";
import { attemptOf, attemptWithin, type ProbePlace } from "./attempts.js";
import { LineMatcher } from "./line-matcher.js";
import type { ProgramEvents } from "./program-events.js";
import type { Probe } from "../program-options.js";

/** Times of probes where the unit gives none (docs/design/programs.md §1), in milliseconds. */
export const INTERVAL_MS = 1000;
export const ATTEMPT_MS = 2000;
const DEADLINE_MS = 60_000;

/** The part of a load's time for its own message. */
const MOST_SPARED_MS = 500;

/** Pauses between two checks for new lines, so that a program that writes much causes few checks. */
const LINES_EVERY_MS = 10;

/** The parameters of the wait for a program. */
export interface ReadinessOptions {
  readonly probe: Probe;
  readonly place: ProbePlace;
  readonly events: ProgramEvents;
  /** The unit's `timeout`, in which a probe without a deadline must come to an end. */
  readonly timeoutMs: number | undefined;
  /** Ends the wait. The wait then ends as if the program was ready. */
  readonly signal: AbortSignal;
}

/**
 * Waits until a program is ready.
 * @throws SluiceError `LOAD_FAILED` with `ETIMEDOUT`: `not ready within N s`, and why the last attempt failed
 */
export async function untilReady(options: ReadinessOptions): Promise<void> {
  const { probe, timeoutMs, signal } = options;
  const deadlineMs = probe.deadlineMs ?? (timeoutMs === undefined ? DEADLINE_MS : shortOf(timeoutMs));
  const last = { words: "" };
  const over = new AbortController();
  const timer = startTimer(deadlineMs, () => over.abort());
  let isReady: boolean;
  try {
    isReady = await waitFor(options, AbortSignal.any([over.signal, signal]), (words) => (last.words = words));
  } finally {
    timer.cancel();
  }
  if (isReady || signal.aborted) return;
  const why = last.words === "" ? "" : `: ${last.words}`;
  throw new SluiceError("LOAD_FAILED", `not ready within ${deadlineMs / 1000} s${why}`, {
    errnum: ERRNO.ETIMEDOUT,
  });
}

/** A little less than a load may take, so that the error has the text of the last attempt. */
function shortOf(timeoutMs: number): number {
  return Math.round(timeoutMs - Math.min(MOST_SPARED_MS, timeoutMs / 10));
}

/** @returns whether it is ready; else the signal has aborted */
async function waitFor(
  { probe, place, events }: ReadinessOptions,
  signal: AbortSignal,
  say: (words: string) => void,
): Promise<boolean> {
  const attempt = attemptOf(probe, place);
  if (attempt !== undefined) {
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const words = await attemptWithin(attempt, probe.timeoutMs ?? ATTEMPT_MS, signal);
      if (words === undefined) return true;
      // An attempt that the deadline cut short does not count, unless it is the only one.
      if (!isAborted(signal) || isFirst) say(words);
      await pause(probe.intervalMs ?? INTERVAL_MS, signal);
    }
    return false;
  }
  const { log, notify, fd, afterMs } = probe;
  if (log !== undefined) return untilLine(log, events, signal, say);
  if (notify === true) {
    say("the program has not sent READY=1");
    return untilEvent(signal, (done) => events.onReady(done));
  }
  if (fd !== undefined) {
    say(`the program has written no newline to descriptor ${fd}`);
    return untilEvent(signal, (done) => events.onDescriptor(done));
  }
  return afterMs === undefined || pause(afterMs, signal);
}

/** Reads the property again after an await, because its type does not include such a change. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** @returns whether it has passed; else the signal has aborted */
async function pause(delayMs: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(delayMs, signal);
    return true;
  } catch (error) {
    if (!signal.aborted) throw error;
    return false;
  }
}

/**
 * @param listen calls back when the event has happened, or at once if it has happened before
 * @returns whether it has; else the signal has aborted
 */
function untilEvent(signal: AbortSignal, listen: (done: () => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const abort = (): void => resolve(false);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    listen(() => {
      signal.removeEventListener("abort", abort);
      resolve(true);
    });
  });
}

async function untilLine(
  expression: string,
  events: ProgramEvents,
  signal: AbortSignal,
  say: (words: string) => void,
): Promise<boolean> {
  const matcher = new LineMatcher(expression);
  say(
    `no line of its output matches ${expression}; the program has printed no line (many programs buffer their output without a terminal; ` +
      "an option may turn off the buffer)",
  );
  while (!signal.aborted) {
    const lines = events.takeLines();
    if (lines.length > 0) {
      switch (matcher.test(lines)) {
        case "match":
          return true;
        case "too slow":
          throw new SluiceError("LOAD_FAILED", `matching its output against ${expression} takes too long`, {
            errnum: ERRNO.EINVAL,
          });
        case "none":
          say(`no line of its output matches ${expression}`);
      }
    }
    await untilEvent(signal, (done) => events.onLines(done));
    await pause(LINES_EVERY_MS, signal);
  }
  return false;
}

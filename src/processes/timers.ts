import { setImmediate as nextTurn } from "node:timers/promises";

/** A callback for a later time. */
export interface Timer {
  /** Takes it back. It has no effect once the callback was called. */
  cancel(): void;
  /** Starts the delay again, unless the callback was called. */
  restart(): void;
}

export interface TimerOptions {
  /** Whether it keeps the process alive. Default: yes. */
  readonly keepsAlive?: boolean | undefined;
}

/** The longest delay of a Node timer, in milliseconds. It calls back at once for a longer delay. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Calls back once, after a delay of any length.
 * @param delayMs milliseconds, also above the 24.8 days that `setTimeout` allows; Infinity: never
 */
export function startTimer(delayMs: number, callback: () => void, options: TimerOptions = {}): Timer {
  return new LongTimer(delayMs, callback, options.keepsAlive ?? true);
}

/** Calls back repeatedly, with a period of any length, until it is cancelled. */
export function startInterval(
  periodMs: number,
  callback: () => void,
  options: TimerOptions = {},
): Pick<Timer, "cancel"> {
  if (periodMs <= LONGEST_MS) {
    const interval = setInterval(callback, periodMs);
    if (options.keepsAlive === false) interval.unref();
    return { cancel: () => clearInterval(interval) };
  }
  const again = (): void => {
    timer.restart();
    callback();
  };
  const timer = startTimer(periodMs, again, options);
  return timer;
}

/**
 * Waits, for any length of time.
 * @param signal ends the wait
 * @throws the reason of the signal
 */
export async function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const abort = (): void => {
      timer.cancel();
      reject(reasonOf(signal));
    };
    const timer = startTimer(delayMs, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

class LongTimer implements Timer {
  readonly #delayMs: number;
  readonly #callback: () => void;
  readonly #keepsAlive: boolean;
  #timeout: NodeJS.Timeout | undefined;
  #leftMs = 0;

  constructor(delayMs: number, callback: () => void, keepsAlive: boolean) {
    this.#delayMs = delayMs;
    this.#callback = callback;
    this.#keepsAlive = keepsAlive;
    this.restart();
  }

  restart(): void {
    clearTimeout(this.#timeout);
    this.#leftMs = this.#delayMs;
    this.#arm();
  }

  cancel(): void {
    clearTimeout(this.#timeout);
    this.#timeout = undefined;
  }

  #arm(): void {
    // A timer that is never due must not keep the process alive.
    if (this.#leftMs === Infinity) return;
    const stepMs = Math.min(this.#leftMs, LONGEST_MS);
    this.#leftMs -= stepMs;
    this.#timeout = setTimeout(() => this.#due(), stepMs);
    if (!this.#keepsAlive) this.#timeout.unref();
  }

  #due(): void {
    if (this.#leftMs > 0) this.#arm();
    else this.#callback();
  }
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error(String(reason));
}

/**
 * Resolves when all bytes that were in a pipe before the call have been read. The first turn ends with the poll in
 * progress, which may have checked a pipe before bytes were written there. The second has a poll of its own.
 */
export async function allIsRead(): Promise<void> {
  await nextTurn();
  await nextTurn();
}

import { requestError, type SluiceError } from "../errors/index.js";
import { startTimer } from "./timers.js";

/** Limits for the duration of a call. After the call, no timer and no listener remains. */
export interface Limits {
  /** The call fails with `ECANCELED` when the signal aborts. */
  readonly signal?: AbortSignal | undefined;
  /** The call fails with `ETIMEDOUT` after this time, in milliseconds. Default: never. */
  readonly timeoutMs?: number | undefined;
}

interface AbortCalls {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

/**
 * The waiters of each signal. Each signal gets one listener, because Node warns of more than ten.
 */
const waiting = new WeakMap<AbortSignal, AbortCalls>();

/**
 * Calls back when a signal is aborted.
 * @returns a function that ends the wait. The last one removes the listener
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const calls = waiting.get(signal) ?? listenTo(signal);
  calls.callbacks.add(callback);
  return () => {
    calls.callbacks.delete(callback);
    if (calls.callbacks.size > 0 || waiting.get(signal) !== calls) return;
    waiting.delete(signal);
    signal.removeEventListener("abort", calls.listener);
  };
}

function listenTo(signal: AbortSignal): AbortCalls {
  const callbacks = new Set<() => void>();
  const listener = (): void => {
    waiting.delete(signal);
    for (const callback of [...callbacks]) callback();
  };
  signal.addEventListener("abort", listener, { once: true });
  const calls = { callbacks, listener };
  waiting.set(signal, calls);
  return calls;
}

/**
 * Calls back once, when a limit is reached, or at once if the signal is already aborted.
 * @param what the action of the call, for the message of the error
 * @returns a function that ends the watch
 */
export function watchLimits(
  what: string,
  { signal, timeoutMs }: Limits,
  onLimit: (error: SluiceError) => void,
): () => void {
  const abort = (): void => reached(requestError("ECANCELED", `${what}: cancelled`, signal?.reason));
  let ignore: () => void = () => undefined;
  const timer =
    timeoutMs === undefined
      ? undefined
      : startTimer(timeoutMs, () =>
          reached(requestError("ETIMEDOUT", `${what}: not done within ${timeoutMs} ms`)),
        );
  const stop = (): void => {
    timer?.cancel();
    ignore();
  };
  const reached = (error: SluiceError): void => {
    stop();
    onLimit(error);
  };
  if (signal?.aborted === true) abort();
  else if (signal !== undefined) ignore = onAbort(signal, abort);
  return stop;
}

/**
 * Waits for a result, but no longer than the limits allow. The work on the result continues.
 * @throws SluiceError `ECANCELED`, `ETIMEDOUT`; else the error of the result
 */
export async function withinLimits<T>(what: string, limits: Limits, result: Promise<T>): Promise<T> {
  if (limits.signal === undefined && limits.timeoutMs === undefined) return result;
  let stop: () => void = () => undefined;
  const late = new Promise<never>((_, reject) => (stop = watchLimits(what, limits, reject)));
  try {
    // A limit that has passed before the call counts even if the result exists.
    return await Promise.race([late, result]);
  } finally {
    stop();
  }
}

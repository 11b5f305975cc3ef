import { requestError, type SluiceError } from "../errors/index.js";
import { startTimer } from "../processes/index.js";

/** How long the result of a call is wanted. Both leave no timer and no listener behind. */
export interface Limits {
  /** Fails with `ECANCELED` when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Fails with `ETIMEDOUT` after this long, in milliseconds. Default: never. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Calls back once, when a limit is reached; at once for a signal that is aborted already.
 * @param what for the message of the error
 * @returns ends the watching
 */
export function watchLimits(
  what: string,
  { signal, timeoutMs }: Limits,
  onLimit: (error: SluiceError) => void,
): () => void {
  const onAbort = (): void => reached(requestError("ECANCELED", `${what}: cancelled`, signal?.reason));
  const timer =
    timeoutMs === undefined
      ? undefined
      : startTimer(timeoutMs, () =>
          reached(requestError("ETIMEDOUT", `${what}: not done within ${timeoutMs} ms`)),
        );
  const stop = (): void => {
    timer?.cancel();
    signal?.removeEventListener("abort", onAbort);
  };
  const reached = (error: SluiceError): void => {
    stop();
    onLimit(error);
  };
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  return stop;
}

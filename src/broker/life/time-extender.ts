import { startInterval, type Timer } from "../../processes/index.js";

/** Each request is for this number of periods, so that one late message does no harm. */
const PERIODS = 3;

interface ExtenderOptions {
  /** How often it requests more time. */
  readonly everyMs: number;
  /** Requests this time, counted from the call. */
  readonly extend: (timeMs: number) => void;
}

/**
 * Requests more time from a service manager while an instance takes long to start or to stop (`EXTEND_TIMEOUT_USEC`
 * of sd_notify(3)). It does so until the instance's own limit. Without such a limit, it does so only after progress,
 * so that the manager ends a start that hangs.
 */
export class TimeExtender {
  readonly #options: ExtenderOptions;
  #timer: Pick<Timer, "cancel"> | undefined;
  #hasProgress = false;

  constructor(options: ExtenderOptions) {
    this.#options = options;
  }

  /** @param limitMs how long the next part may take; Infinity: without limit */
  begin(limitMs: number): void {
    this.end();
    const { everyMs, extend } = this.#options;
    const endsAtMs = performance.now() + limitMs;
    this.#hasProgress = true;
    const ask = (): void => {
      const isWithinLimit = Number.isFinite(limitMs) ? performance.now() < endsAtMs : this.#hasProgress;
      this.#hasProgress = false;
      if (isWithinLimit) extend(PERIODS * everyMs);
    };
    this.#timer = startInterval(everyMs, ask, { keepsAlive: false });
  }

  /** There was progress. */
  progress(): void {
    this.#hasProgress = true;
  }

  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

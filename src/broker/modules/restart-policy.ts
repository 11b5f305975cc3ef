/** Backoff of `on-failure = "restart"` (docs/design/modules.md §3). */
const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 60_000;
const WINDOW_MS = 10 * 60_000;
const RESTARTS_PER_WINDOW = 5;

/** Decides whether and when a module that failed is started again. */
export class RestartPolicy {
  /** When it was restarted, within the window. */
  #restartsMs: number[] = [];
  #lastFailureMs = -Infinity;
  #delayMs = FIRST_DELAY_MS;

  /** Forgets all failures, as after a reload by hand. */
  reset(): void {
    this.#restartsMs = [];
    this.#delayMs = FIRST_DELAY_MS;
    this.#lastFailureMs = -Infinity;
  }

  /**
   * Takes note of a failure.
   * @returns how long to wait before the restart, or undefined to give up
   */
  failed(nowMs: number): number | undefined {
    // A module that ran well for the whole window has earned a quick restart.
    if (nowMs - this.#lastFailureMs >= WINDOW_MS) this.#delayMs = FIRST_DELAY_MS;
    this.#lastFailureMs = nowMs;
    this.#restartsMs = this.#restartsMs.filter((time) => nowMs - time < WINDOW_MS);
    if (this.#restartsMs.length >= RESTARTS_PER_WINDOW) return undefined;
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(LONGEST_DELAY_MS, delayMs * 2);
    this.#restartsMs.push(nowMs + delayMs);
    return delayMs;
  }
}

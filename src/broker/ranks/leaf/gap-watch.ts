/** How often it checks the clock. */
const LOOK_MS = 100;

/**
 * Notices that this process was stopped, or its machine slept (docs/design/hosts.md §4). Timers come before
 * input. It therefore finds a gap before this process reads the messages that have come meanwhile.
 */
export class GapWatch {
  readonly #timer: NodeJS.Timeout;
  #lookedAtMs = performance.now();

  /**
   * @param longestMs a time without a turn of the loop that is still normal, in milliseconds
   * @param onGap called after a longer time
   */
  constructor(longestMs: number, onGap: () => void) {
    this.#timer = setInterval(() => {
      const gapMs = performance.now() - this.#lookedAtMs;
      this.#lookedAtMs = performance.now();
      if (gapMs > longestMs) onGap();
    }, LOOK_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

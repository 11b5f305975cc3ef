/** Where a run takes its time from; tests bring one that they turn by hand. */
export interface Clock {
  /** Monotonic, from an arbitrary start, in milliseconds with fractions. */
  nowMs(): number;
  /** Wall clock, milliseconds since 1970. */
  epochMs(): number;
  /**
   * Calls back once after `delayMs`.
   * @returns takes the timer back; does nothing once it has fired
   */
  after(delayMs: number, callback: () => void): () => void;
}

/** Node fires a timer with a longer delay at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The time of this machine. Delays may be of any length. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  epochMs: () => Date.now(),
  after(delayMs, callback) {
    const deadlineMs = performance.now() + delayMs;
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const leftMs = deadlineMs - performance.now();
      timer = leftMs > LONGEST_TIMER_MS ? setTimeout(arm, LONGEST_TIMER_MS) : setTimeout(callback, leftMs);
    };
    arm();
    return () => clearTimeout(timer);
  },
};

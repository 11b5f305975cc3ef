import { startTimer } from "../processes/index.js";

/** The clock of a run; tests use one that they set by hand. */
export interface Clock {
  /** Monotonic, from an arbitrary start, in milliseconds with fractions. */
  nowMs(): number;
  /** Wall clock, milliseconds since 1970. */
  epochMs(): number;
  /**
   * Calls back once after `delayMs`.
   * @returns a function that cancels the timer; has no effect once it has fired
   */
  after(delayMs: number, callback: () => void): () => void;
}

/** The time of this machine. Delays may be of any length. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  epochMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = startTimer(delayMs, callback);
    return () => timer.cancel();
  },
};

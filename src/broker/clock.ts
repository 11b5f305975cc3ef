import { startTimer, type Timer as ProcessTimer } from "../processes/index.js";

/** A timer that can be cancelled. */
export type Timer = Pick<ProcessTimer, "cancel">;

/** The broker's only source of time, so that tests can move it by hand. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls back once, after a delay of any length. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after: (delayMs, callback) => startTimer(delayMs, callback, { keepsAlive: false }),
};

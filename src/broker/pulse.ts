import type { Clock, Timer } from "./clock.js";

/**
 * Calls back once a period, and reports whether it is late by more than a period. If so, this process had
 * stopped, or the machine slept. Missing messages of others in the meantime mean nothing.
 */
export class Pulse {
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #onBeat: (isLate: boolean) => void;
  #timer: Timer;

  constructor(clock: Clock, periodMs: number, onBeat: (isLate: boolean) => void) {
    this.#clock = clock;
    this.#periodMs = periodMs;
    this.#onBeat = onBeat;
    this.#timer = this.#schedule();
  }

  cancel(): void {
    this.#timer.cancel();
  }

  #schedule(): Timer {
    const dueMs = this.#clock.now() + this.#periodMs;
    return this.#clock.after(this.#periodMs, () => {
      this.#timer = this.#schedule();
      this.#onBeat(this.#clock.now() - dueMs > this.#periodMs);
    });
  }
}

import type { Clock } from "../../../src/broker/index.js";

interface FakeTimer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** A clock that moves only when a test moves it. */
export class FakeClock implements Clock {
  #nowMs = 1_700_000_000_000;
  readonly #timers = new Set<FakeTimer>();

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): { cancel: () => void } {
    const timer = { dueMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** How long until each timer that is set, the next first. */
  get delays(): number[] {
    return [...this.#timers].map(({ dueMs }) => dueMs - this.#nowMs).sort((a, b) => a - b);
  }

  /** Moves on, and calls back what is due on the way in its order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers]
        .filter(({ dueMs }) => dueMs <= endMs)
        .sort((a, b) => a.dueMs - b.dueMs);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = next.dueMs;
      next.callback();
    }
    this.#nowMs = endMs;
  }
}

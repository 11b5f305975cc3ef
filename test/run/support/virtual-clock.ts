import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock, RunEvent, RunReport } from "../../../src/run/index.js";
import { collect } from "../../../src/run/index.js";

/** Time that a test turns by hand. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly dueMs: number; readonly callback: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  epochMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Timers that are set and have not fired. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Goes to the next timer and fires it, after everything that is going on without time passing. */
  async tick(): Promise<boolean> {
    await nextTurn();
    let next: { readonly dueMs: number; readonly callback: () => void } | undefined;
    for (const timer of this.#timers) if (next === undefined || timer.dueMs < next.dueMs) next = timer;
    if (next === undefined) return false;
    this.#timers.delete(next);
    this.#nowMs = next.dueMs;
    next.callback();
    return true;
  }

  /** Reads a run to its end, turning the clock as often as it takes. */
  async drive(events: AsyncIterable<RunEvent>, onEvent?: (event: RunEvent) => void): Promise<RunReport> {
    let report: RunReport | undefined;
    const reading = collect(events, onEvent).then((value) => {
      report = value;
    });
    while (report === undefined && (await this.tick()));
    await reading;
    if (report === undefined) throw new Error("the run has no report");
    return report;
  }
}

import { startTimer, type Timer } from "../../../processes/index.js";
import type { RunEvent } from "../../../run/index.js";

/** When to report the units that a run is waiting for. */
export interface WaitingPeriods {
  /** First after a unit has taken this long. */
  readonly afterMs: number;
  /** Then at each such time. */
  readonly everyMs: number;
}

export const WAITING_PERIODS: WaitingPeriods = { afterMs: 10_000, everyMs: 30_000 };

/** How many names of units one line holds. */
const NAMES_SHOWN = 12;

/** Reports from time to time which units a run is waiting for, so that a wait without end is visible. */
export class WaitingNotes {
  readonly #periods: WaitingPeriods;
  readonly #say: (text: string) => void;
  /** Unit → when it was started. */
  readonly #running = new Map<string, number>();
  #timer: Timer | undefined;

  constructor(periods: WaitingPeriods, say: (text: string) => void) {
    this.#periods = periods;
    this.#say = say;
  }

  /** The units that run, in the order in which they were started. */
  get running(): readonly string[] {
    return [...this.#running.keys()];
  }

  show(event: RunEvent): void {
    switch (event.type) {
      case "start":
        this.#running.set(event.unit, performance.now());
        this.#timer ??= this.#in(this.#periods.afterMs);
        return;
      case "end":
      case "fail":
      case "timeout":
      case "cancel":
        this.#running.delete(event.unit);
        return;
      case "summary":
        this.close();
        return;
      default:
    }
  }

  close(): void {
    this.#timer?.cancel();
  }

  #in(delayMs: number): Timer {
    return startTimer(delayMs, () => this.#look(), { keepsAlive: false });
  }

  #look(): void {
    const nowMs = performance.now();
    const { afterMs, everyMs } = this.#periods;
    const late = [...this.#running].filter(([, startedMs]) => nowMs - startedMs >= afterMs);
    const [first] = late;
    if (first !== undefined) {
      const names = late.map(([name]) => name);
      const shown = names.slice(0, NAMES_SHOWN).join(", ");
      const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : "";
      this.#say(`waiting for ${shown}${more} (${((nowMs - first[1]) / 1000).toFixed(0)} s)`);
      this.#timer = this.#in(everyMs);
      return;
    }
    const [oldest] = this.#running.values();
    // A timer may be a little early.
    this.#timer = oldest === undefined ? undefined : this.#in(Math.max(1, oldest + afterMs - nowMs));
  }
}

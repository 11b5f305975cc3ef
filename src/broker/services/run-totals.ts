/** The totals of the runs of one command with one outcome. */
export interface RunTotals {
  readonly command: string;
  /**
   * The outcome in the summary: `ok`, `failed`, `interrupted`. `lost` means that the process of the run has ended
   * without a summary.
   */
  readonly outcome: string;
  readonly count: number;
  readonly seconds: number;
  /** The time of the last run. */
  readonly lastSeconds: number;
}

/** The number of commands with their own totals, because a client may use any name for its runs. */
const MOST_COMMANDS = 16;
const OTHERS = "other";

/** Counts runs by command and outcome. */
export class RunCounts {
  readonly #commands = new Set<string>();
  readonly #totals = new Map<string, RunTotals>();

  add(command: string, outcome: string, seconds: number): void {
    if (this.#commands.size < MOST_COMMANDS) this.#commands.add(command);
    const name = this.#commands.has(command) ? command : OTHERS;
    const key = JSON.stringify([name, outcome]);
    const known = this.#totals.get(key) ?? { count: 0, seconds: 0 };
    this.#totals.set(key, {
      ...{ command: name, outcome, lastSeconds: seconds },
      ...{ count: known.count + 1, seconds: known.seconds + seconds },
    });
  }

  all(): RunTotals[] {
    return [...this.#totals.values()];
  }
}

/** Runs work in a fixed number of lanes, each in the order in which it was given. */
export class Lanes {
  readonly #lanes: Promise<unknown>[];
  #next = 0;

  /** @param count most pieces of work that run at a time */
  constructor(count: number) {
    this.#lanes = Array.from({ length: count }, () => Promise.resolve());
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    const lane = this.#next++ % this.#lanes.length;
    const result = (this.#lanes[lane] ?? Promise.resolve()).then(work);
    // Who gave the work hears of its failure; the lane just goes on.
    this.#lanes[lane] = result.then(ignore, ignore);
    return result;
  }

  /** Resolves when all work given so far has ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#lanes);
  }
}

function ignore(): void {
  return;
}

/** The most pieces of work of one batch. With more, the first of them would wait for long. */
export const BATCH_MAX = 1000;

/**
 * Gathers the items that come while a batch is being worked on into the next batch; one batch at a time, in order.
 */
export class Batches<T> {
  readonly #work: (batch: readonly T[]) => Promise<void>;
  #waiting: T[] = [];
  #working: Promise<void> | undefined;
  #between: (() => void)[] = [];

  /** @param work reports failures to the callers of that work, and never rejects */
  constructor(work: (batch: readonly T[]) => Promise<void>) {
    this.#work = work;
  }

  add(item: T): void {
    this.#waiting.push(item);
    this.#working ??= this.#workAll();
  }

  /** Calls back between two batches, or at once while there is no batch. */
  between(run: () => void): void {
    if (this.#working === undefined) run();
    else this.#between.push(run);
  }

  /** Resolves when all earlier work is done. */
  async idle(): Promise<void> {
    await this.#working;
  }

  async #workAll(): Promise<void> {
    // All other work of this turn goes into the batch.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, BATCH_MAX);
      this.#waiting = this.#waiting.slice(BATCH_MAX);
      await this.#work(batch);
      for (const run of this.#between.splice(0)) run();
    }
    this.#working = undefined;
  }
}

import { GapWatch } from "./gap-watch.js";

/**
 * After this process was stopped, incoming messages wait until rank 0 has confirmed that this rank does not count as lost
 * (docs/design/hosts.md §4).
 */
export class WakeCheck {
  readonly #ask: (number: number) => void;
  #gaps: GapWatch | undefined;
  /** Messages that arrived before the answer of rank 0. */
  #unread: (() => void)[] | undefined;
  #number = 0;

  /** @param ask asks rank 0; the answer has the same number */
  constructor(ask: (number: number) => void) {
    this.#ask = ask;
  }

  /** @param longestMs a time without a turn of the loop that is still normal, in milliseconds */
  start(longestMs: number): void {
    this.#gaps = new GapWatch(longestMs, () => {
      this.#unread ??= [];
      this.#number += 1;
      this.#ask(this.#number);
    });
  }

  stop(): void {
    this.#gaps?.close();
    this.#unread = undefined;
  }

  /** Runs a function now, or when it is certain that this rank does not count as lost. */
  whenSure(run: () => void): void {
    if (this.#unread === undefined) run();
    else this.#unread.push(run);
  }

  /** Rank 0 has answered. */
  confirmed(number: number): void {
    if (number !== this.#number) return;
    const unread = this.#unread ?? [];
    this.#unread = undefined;
    for (const run of unread) run();
  }
}

import type { Clock } from "../clock.js";

/** The number of lines of one kind in a time. Further lines are only counted. */
const LINES = 20;
const WINDOW_MS = 10_000;

/** Keeps the lines of one repeated cause from replacing all other lines of the log. */
export class LineLimit {
  readonly #clock: Clock;
  readonly #append: (text: string) => void;
  readonly #summary: (count: number) => string;
  #lines = 0;
  #isOpen = false;

  /** @param summary makes the line with the number of lines left out */
  constructor(clock: Clock, append: (text: string) => void, summary: (count: number) => string) {
    this.#clock = clock;
    this.#append = append;
    this.#summary = summary;
  }

  append(text: string): void {
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#clock.after(WINDOW_MS, () => this.#close());
    }
    this.#lines += 1;
    if (this.#lines <= LINES) this.#append(text);
  }

  #close(): void {
    const leftOut = this.#lines - LINES;
    this.#lines = 0;
    this.#isOpen = false;
    if (leftOut > 0) this.#append(this.#summary(leftOut));
  }
}

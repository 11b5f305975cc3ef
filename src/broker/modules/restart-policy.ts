import type { RestartRule } from "../../loaders/index.js";

/** Backoff of `on-failure = "restart"` where a unit has no other (docs/design/programs.md §1). */
const DELAY_MS = 1000;
const LONGEST_DELAY_MS = 60_000;
const TRIES = 5;
const WITHIN_MS = 10 * 60_000;

/** Decides whether and when a module that failed is started again. */
export class RestartPolicy {
  readonly #rule: Required<{ [key in Exclude<keyof RestartRule, "then">]: number }>;
  /** The times of its restarts that still count. */
  #restartsMs: number[] = [];
  #lastFailureMs = -Infinity;
  /** The time since which it has been running; undefined while it does not run. */
  #readySinceMs: number | undefined;
  #delayMs: number;
  #total = 0;

  constructor({
    delayMs = DELAY_MS,
    longestMs = LONGEST_DELAY_MS,
    tries = TRIES,
    withinMs = WITHIN_MS,
  }: RestartRule = {}) {
    this.#rule = { delayMs, longestMs, tries, withinMs };
    this.#delayMs = delayMs;
  }

  /** How often it was restarted in all, with the restarts that no longer count. */
  get total(): number {
    return this.#total;
  }

  /** Forgets all failures, as after a reload by hand. */
  reset(): void {
    this.#restartsMs = [];
    this.#delayMs = this.#rule.delayMs;
    this.#lastFailureMs = -Infinity;
  }

  /** The module runs from now on. */
  ready(nowMs: number): void {
    this.#readySinceMs = nowMs;
  }

  /**
   * Counts a failure.
   * @returns how long to wait before the restart, or undefined to give up
   */
  failed(nowMs: number): number | undefined {
    const { delayMs: first, longestMs, tries, withinMs } = this.#rule;
    // After a module ran well for the whole time, its next restart is quick again.
    if (nowMs - (this.#readySinceMs ?? this.#lastFailureMs) >= withinMs) this.#delayMs = first;
    this.#lastFailureMs = nowMs;
    this.#readySinceMs = undefined;
    this.#restartsMs = this.#restartsMs.filter((time) => nowMs - time < withinMs);
    if (this.#restartsMs.length >= tries) return undefined;
    const delayMs = Math.min(longestMs, this.#delayMs);
    this.#delayMs = Math.min(longestMs, delayMs * 2);
    this.#restartsMs.push(nowMs + delayMs);
    this.#total++;
    return delayMs;
  }
}

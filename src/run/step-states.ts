/**
 * The states of a step.
 *
 *     waiting ──▶ running ──▶ done
 *        │           ├──────▶ failed      its own error, or its time-out
 *        │           └──────▶ cancelled   an interrupt
 *        └─────▶ skipped                  what it requires or needs failed
 *
 * A step that is still waiting when the run is over was not started.
 */
export type StepState = "waiting" | "running" | "done" | "failed" | "cancelled" | "skipped";

/** The states of all steps of a run, by number. */
export class StepStates {
  readonly #states: StepState[];

  constructor(stepCount: number) {
    this.#states = Array.from({ length: stepCount }, () => "waiting");
  }

  set(step: number, state: StepState): void {
    this.#states[step] = state;
  }

  /** Whether it has neither started nor been skipped. */
  isWaiting(step: number): boolean {
    return this.#states[step] === "waiting";
  }

  /** How many steps are in each state. */
  count(): Record<StepState, number> {
    const count = { waiting: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 };
    for (const state of this.#states) count[state]++;
    return count;
  }
}

import type { Step } from "../graph/index.js";

/** Carries out the steps of a plan. One implementation talks to a broker; tests have controllable ones. */
export interface StepExecutor {
  /**
   * Carries out one step, and then resolves. Rejects with an `Error`; reports show its message after
   * `NAME: `.
   * @param signal aborted when the step has to stop: at its time-out, or at a second signal. The promise should then
   *   settle soon. The run waits for it at most its grace time.
   */
  execute(step: Step, signal: AbortSignal): Promise<void>;
}

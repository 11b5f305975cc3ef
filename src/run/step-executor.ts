import type { Step } from "../graph/index.js";

/** What carries out the steps of a plan. One implementation talks to a broker, tests have controllable ones. */
export interface StepExecutor {
  /**
   * Carries out one step, resolves when it is done, rejects with an `Error` whose message is printed after
   * `NAME: `.
   * @param signal aborted when the step is to be given up: a time-out, or a second signal. The promise should then
   *   settle soon; the run does not wait for it longer than its grace time.
   */
  execute(step: Step, signal: AbortSignal): Promise<void>;
}

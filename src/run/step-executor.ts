import type { Step } from "../graph/index.js";

/**
 * Carries out the steps of a plan. One implementation sends requests to a broker. Tests have controllable
 * implementations.
 */
export interface StepExecutor {
  /**
   * Carries out one step, and then resolves. If the step fails, rejects with an `Error`. Reports show the
   * error's message after `NAME: `.
   * @param signal aborts when the step has to stop: at its time-out, or at a second signal. The promise
   * should then settle soon. The run waits for the promise for a limited grace time.
   */
  execute(step: Step, signal: AbortSignal): Promise<void>;
}

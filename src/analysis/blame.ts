import type { StepAction } from "../run/index.js";
import type { StepEnd } from "./moves.js";
import type { Timeline } from "./timeline.js";

/** The time that one unit took. */
export interface Blame {
  readonly unit: string;
  readonly action: StepAction;
  readonly startNs: number;
  readonly durationNs: number;
  readonly ended: StepEnd;
}

/** The units that ran, the slowest first. Units with equal times are in the order of their starts. */
export function blame({ plan, times }: Timeline): Blame[] {
  return times
    .map(({ step, startNs, endNs, ended }) => {
      const { unit, action } = plan.steps[step] ?? { unit: "", action: "run" };
      return { unit, action, startNs, durationNs: endNs - startNs, ended };
    })
    .sort((a, b) => b.durationNs - a.durationNs || a.startNs - b.startNs);
}

/** Running plans of sleeping tasks, against an ideal list schedule of the same plan. */
import { benchRunPlan } from "../run-plan.mjs";

export const RUNNING = [
  {
    name: "run",
    title: "running a plan of sleeping tasks, against an ideal simulated list schedule",
    measure: async () =>
      (await benchRunPlan()).map(({ shape, idealMs, measuredMs, ratio }) => ({
        what: shape,
        measured: ratio,
        goal: 1.05,
        unit: "×",
        detail: `${measuredMs.toFixed(0)} ms, ideal ${idealMs.toFixed(0)} ms`,
      })),
  },
];

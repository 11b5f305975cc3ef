import type { RunRecord } from "./record.js";

/** How a step that had started ended. */
export type StepEnd = "end" | "fail" | "timeout" | "cancel";

/**
 * The events of the steps of a recorded or replayed run, one after the other. Times are whole
 * nanoseconds since the start of the run, so that adding up durations in another order gives the same sum.
 */
export type Move =
  | { readonly kind: "start"; readonly step: number; readonly atNs: number }
  | { readonly kind: "end"; readonly step: number; readonly atNs: number; readonly ended: StepEnd }
  /** The run skips the step. Steps that come after it no longer wait for it. */
  | { readonly kind: "skip"; readonly step: number; readonly atNs: number };

/** The times of a run. */
export interface Moves {
  readonly moves: readonly Move[];
  readonly jobs: number;
  readonly durationNs: number;
}

/** Reads a recorded run. */
export function movesOf({ plan, events }: RunRecord): Moves {
  const stepOf = new Map(plan.steps.map(({ unit }, step) => [unit, step]));
  const moves: Move[] = [];
  let jobs = 1;
  let durationNs = 0;
  for (const event of events) {
    const atNs = Math.round(event.atMs * 1e6);
    durationNs = atNs;
    const step = "unit" in event ? stepOf.get(event.unit) : undefined;
    switch (event.type) {
      case "plan":
        jobs = event.jobs;
        break;
      case "start":
      case "skip":
        if (step !== undefined) moves.push({ kind: event.type, step, atNs });
        break;
      case "end":
      case "fail":
      case "timeout":
      case "cancel":
        if (step !== undefined) moves.push({ kind: "end", step, atNs, ended: event.type });
        break;
      case "not-started":
      case "interrupt":
      case "summary":
        break;
    }
  }
  return { moves, jobs, durationNs };
}

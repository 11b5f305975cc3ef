import { SluiceError } from "../errors/index.js";
import type { Step } from "../graph/index.js";
import type { RunEvent, StepAction } from "../run/index.js";

/** The result of one unit of a plan (docs/design/embedding.md §3). */
export interface UnitOutcome {
  readonly unit: string;
  readonly action: StepAction;
  /**
   * `skipped`: a required or needed unit did not start. `not-started`: the run stopped before the unit could
   * start.
   */
  readonly outcome: "done" | "failed" | "timeout" | "cancelled" | "skipped" | "not-started";
  /** Milliseconds from the unit's start to its end; undefined if the unit never started. */
  readonly durationMs: number | undefined;
  /** Why the unit is not done: for `failed`, the error of the unit. */
  readonly error: Error | undefined;
}

/** One outcome for each step, in the order of the plan. */
export function unitOutcomes(steps: readonly Step[], events: readonly RunEvent[]): UnitOutcome[] {
  const byUnit = new Map<string, UnitOutcome>();
  for (const event of events) {
    const outcome = outcomeOf(event);
    if (outcome !== undefined) byUnit.set(outcome.unit, outcome);
  }
  return steps.flatMap(({ unit }) => byUnit.get(unit.name) ?? []);
}

function outcomeOf(event: RunEvent): UnitOutcome | undefined {
  switch (event.type) {
    case "end":
      return { ...step(event), outcome: "done", durationMs: event.durationMs, error: undefined };
    case "fail":
      return { ...step(event), outcome: "failed", durationMs: event.durationMs, error: event.error };
    case "timeout":
      return { ...step(event), outcome: "timeout", durationMs: event.durationMs, error: event.error };
    case "cancel":
      return {
        ...step(event),
        outcome: "cancelled",
        durationMs: event.durationMs,
        error: new SluiceError("RUN_CANCELLED", event.message, { unit: event.unit }),
      };
    case "skip":
      return { ...step(event), outcome: "skipped", durationMs: undefined, error: notRun(event) };
    case "not-started":
      return { ...step(event), outcome: "not-started", durationMs: undefined, error: notRun(event) };
    case "plan":
    case "start":
    case "interrupt":
    case "summary":
      return undefined;
  }
}

function step({ unit, action }: Pick<UnitOutcome, "unit" | "action">): Pick<UnitOutcome, "unit" | "action"> {
  return { unit, action };
}

function notRun({ unit, message }: { readonly unit: string; readonly message: string }): SluiceError {
  return new SluiceError("RUN_FAILED", message, { unit });
}

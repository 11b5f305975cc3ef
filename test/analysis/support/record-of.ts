import { recordPlan, type RunRecord } from "../../../src/analysis/index.js";
import type { Plan } from "../../../src/graph/index.js";
import { eventToJson, type RunOptions, runPlan, type RunReport } from "../../../src/run/index.js";
import { SleepingExecutor } from "../../run/support/fake-executor.js";
import { VirtualClock } from "../../run/support/virtual-clock.js";

export interface VirtualRun extends Partial<RunOptions> {
  readonly durationMs: ReadonlyMap<string, number>;
  readonly failures?: ReadonlyMap<string, unknown>;
}

/** Runs a plan on a clock that nothing but its steps moves, and gives its record. */
export async function recordRun(
  plan: Plan,
  { durationMs, failures, ...options }: VirtualRun,
): Promise<RunRecord> {
  const clock = new VirtualClock();
  const executor = new SleepingExecutor(clock, (name) => durationMs.get(name) ?? 0, failures);
  const report = await clock.drive(runPlan(plan, { executor, clock, ...options }));
  return recordOf(plan, report, options.durationsMs);
}

export function recordOf(
  plan: Plan,
  report: RunReport,
  durationsMs?: ReadonlyMap<string, number>,
): RunRecord {
  return {
    command: "run",
    rank: 0,
    version: "0.0.0",
    plan: recordPlan(plan, durationsMs),
    events: report.events.map(eventToJson),
  };
}

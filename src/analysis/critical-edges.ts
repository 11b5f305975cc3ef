import type { Edge } from "./edit.js";
import type { RunRecord } from "./record.js";
import { recordedTimeline } from "./what-if.js";

/**
 * The relations that a unit without slack waited for last. Without any other relation the run would take as long,
 * because no unit without slack would have started sooner.
 */
export function criticalEdges(record: RunRecord): { has(edge: Edge): boolean } {
  const { plan, times } = recordedTimeline(record);
  const lastOf = new Map(
    times.flatMap(({ step, wait, slackNs }) =>
      slackNs === 0 && wait.kind === "dependency" ? [[nameOf(step), nameOf(wait.step)] as const] : [],
    ),
  );
  function nameOf(step: number): string {
    return plan.steps[step]?.unit ?? "";
  }
  return { has: ({ unit, after }) => lastOf.get(unit) === after };
}

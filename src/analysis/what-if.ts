import { type Edge, without, type Removed, withoutEdges } from "./edit.js";
import { movesOf } from "./moves.js";
import type { RunRecord } from "./record.js";
import { replay, type StepCost } from "./replay.js";
import { layOut, type StepTime, type Timeline } from "./timeline.js";

/** The changes to a recorded run. */
export interface Supposition {
  /** How many units run at a time. Default: the recorded number. */
  readonly jobs?: number | undefined;
  /** Units to leave out. Each must be in the plan. */
  readonly without?: readonly string[] | undefined;
  /** Units with another duration: the recorded time divided by a factor above 0. Each unit must be in the plan. */
  readonly faster?: ReadonlyMap<string, number> | undefined;
  /** Direct relations to leave out. Orders through other units stay. */
  readonly unordered?: readonly Edge[] | undefined;
}

/** A recorded run, and its prediction with changes. */
export interface Prediction {
  readonly recorded: Timeline;
  readonly predicted: Timeline;
  /** The units that the prediction leaves out: the requested units, and the units that depend on them. */
  readonly removed: readonly Removed[];
}

/** The times of the recorded run. */
export function recordedTimeline(record: RunRecord): Timeline {
  return layOut(record.plan, movesOf(record));
}

/**
 * Predicts the time that a recorded run would have taken with changes. The prediction replays the edited plan by
 * the runner's rules and priorities, with the recorded time of each unit. Without changes the result is the
 * recorded time. For a failed run, the replay has only the units that started.
 *
 * The prediction ignores the effects of units on the speed of others. If they compete for processors, running more of
 * them at a time gains less than predicted.
 */
export function whatIf(record: RunRecord, supposition: Supposition): Prediction {
  const recorded = recordedTimeline(record);
  const { steps } = record.plan;
  const leaveOut = new Set(supposition.without);
  const asked = [...steps.keys()].filter((step) => leaveOut.has(steps[step]?.unit ?? ""));
  const { plan, removed, was } = without(withoutEdges(record.plan, supposition.unordered ?? []), asked);
  const costs = new Map<number, StepCost>();
  for (const [step, before] of was.entries()) {
    const time = recorded.byStep.get(before);
    const factor = supposition.faster?.get(steps[before]?.unit ?? "") ?? 1;
    if (time !== undefined) costs.set(step, costOf(time, factor));
  }
  const replayed = replay(plan, costs, supposition.jobs ?? recorded.jobs, shuffledOrder(record));
  const lastNs = Math.max(0, ...tailOf(replayed.moves));
  const durationNs = lastNs + recorded.durationNs - lastEndNs(recorded);
  return { recorded, predicted: layOut(plan, { ...replayed, durationNs }), removed };
}

/** The order in which a shuffled run has started the units; undefined for any other run. */
function shuffledOrder({ events }: RunRecord): readonly string[] | undefined {
  const [plan] = events;
  if (plan?.type !== "plan" || plan.shuffle === undefined) return undefined;
  return events.flatMap((event) => (event.type === "start" ? [event.unit] : []));
}

function costOf({ startNs, endNs, lagNs, holdNs, ended }: StepTime, factor: number): StepCost {
  return { durationNs: Math.round((endNs - startNs) / factor), lagNs, holdNs, ended };
}

/** When the last step ended. The run is over a little later. */
function lastEndNs({ times }: Timeline): number {
  return times.reduce((last, { endNs }) => Math.max(last, endNs), 0);
}

/** Moves are in the order of their times. */
function tailOf(moves: readonly { readonly atNs: number }[]): number[] {
  return moves.slice(-1).map(({ atNs }) => atNs);
}

import type { StepTime, Timeline } from "./timeline.js";

/** One unit of a chain. A unit waits for the next unit of its chain. */
export interface ChainLink {
  readonly unit: string;
  readonly startNs: number;
  readonly durationNs: number;
  /** How much longer the unit could have taken without making the run longer. */
  readonly slackNs: number;
  /** Why the unit waited for the next link of the chain. `start` marks the last link, which did not wait. */
  readonly waitedFor: "dependency" | "slot" | "start";
  /** How long the ready unit waited for a slot. */
  readonly slotWaitNs: number;
  /** The delay between the time at which the unit could have started and its start. */
  readonly lagNs: number;
}

/**
 * The chain that determined when a unit ended. The first link is that unit. Each further link is the last
 * cause for which the previous link waited: a predecessor, or a unit that held the slot. The last link could
 * start at once.
 * @param unit the unit at the end of the chain; default: the unit that ended last
 * @returns undefined if the unit did not run; empty if no unit ran
 */
export function criticalChain(timeline: Timeline, unit?: string): ChainLink[] | undefined {
  const last = unit === undefined ? lastToEnd(timeline) : stepNamed(timeline, unit);
  if (last === undefined) return unit === undefined ? [] : undefined;
  const chain: ChainLink[] = [];
  for (let at: StepTime | undefined = last; at !== undefined;) {
    chain.push(linkOf(timeline, at));
    at = at.wait.kind === "none" ? undefined : timeline.byStep.get(at.wait.step);
  }
  return chain;
}

/** The units with the least slack that are not on a chain, nearest first. */
export function nextToCritical(timeline: Timeline, chain: readonly ChainLink[], most: number): ChainLink[] {
  const onChain = new Set(chain.map(({ unit }) => unit));
  return timeline.times
    .map((time) => linkOf(timeline, time))
    .filter(({ unit }) => !onChain.has(unit))
    .sort((a, b) => a.slackNs - b.slackNs || a.startNs - b.startNs)
    .slice(0, most);
}

function linkOf({ plan }: Timeline, time: StepTime): ChainLink {
  const { step, readyNs, eligibleNs, startNs, endNs, slackNs, wait } = time;
  return {
    unit: plan.steps[step]?.unit ?? "",
    startNs,
    durationNs: endNs - startNs,
    slackNs,
    waitedFor: wait.kind === "none" ? "start" : wait.kind,
    slotWaitNs: wait.kind === "slot" ? eligibleNs - readyNs : 0,
    lagNs: startNs - eligibleNs,
  };
}

function lastToEnd({ times }: Timeline): StepTime | undefined {
  let last: StepTime | undefined;
  for (const time of times) if (last === undefined || time.endNs > last.endNs) last = time;
  return last;
}

function stepNamed({ plan, byStep }: Timeline, unit: string): StepTime | undefined {
  return byStep.get(plan.steps.findIndex((step) => step.unit === unit));
}

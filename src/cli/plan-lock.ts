import { lockOf, plan, type PlanLock, rankClasses, type RankedPlan } from "../graph/index.js";
import { rankSetOf } from "../units/index.js";
import type { Circumstances } from "./facts.js";
import { phaseFiles, withPlan } from "./modprobe-plan.js";
import { type UnitOptions, valueOf } from "./modprobe-units.js";

/** The plans of rc1, and their canonical form. */
export interface LockedPlans {
  readonly plans: readonly RankedPlan[];
  readonly lock: PlanLock;
}

/**
 * Plans rc1 for one rank, or for each class of ranks. The rc files are read once, with the rank of the facts.
 * @param rank the only rank to plan for; null for all
 * @throws ExitError after the problems were printed
 */
export async function lockPlans(
  circumstances: Circumstances,
  options: UnitOptions,
  rank: number | null,
): Promise<LockedPlans> {
  const phase = { files: await phaseFiles("rc1"), runlevel: "rc1", loaded: [] } as const;
  return withPlan(
    phase,
    circumstances,
    { ...options, planOnly: true },
    (first, _session, { enabled, origins }) => {
      const { catalog, request, facts } = first;
      const classes = rank === null ? rankClasses(catalog.units, facts.size) : [rankSetOf([rank])];
      const plans = classes.map((ranks): RankedPlan => {
        const lowest = ranks.ranges[0]?.[0] ?? facts.rank;
        if (lowest === facts.rank) return { ranks, plan: first };
        const planned = plan(catalog, { request, facts: { ...facts, rank: lowest }, enabled, origins });
        return { ranks, plan: valueOf(planned) };
      });
      return { plans, lock: lockOf(plans, facts.size, rank) };
    },
  );
}

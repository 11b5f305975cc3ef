import { factsAt, lockOf, plan, type PlanLock, rankClasses, type RankedPlan } from "../../graph/index.js";
import { rankSetOf } from "../../units/index.js";
import type { PlanningContext } from "../facts.js";
import { type Asked, phaseFiles, withPlan } from "./read-and-plan.js";
import { type UnitOptions, valueOf } from "./units.js";
import { type RankFactOptions, rankFactsOf } from "../rank-facts.js";

/** The plans of rc1, and their canonical form. */
export interface LockedPlans {
  readonly plans: readonly RankedPlan[];
  readonly lock: PlanLock;
  readonly asked: Asked;
}

/**
 * Plans rc1 for one rank, or for each class of ranks. The rc files are read once, with the rank of the facts.
 * @param rank the only rank to plan for; null for all
 * @throws ExitError after the problems were printed
 */
export async function lockPlans(
  context: PlanningContext,
  options: UnitOptions & RankFactOptions,
  rank: number | null,
): Promise<LockedPlans> {
  const phase = { files: await phaseFiles("rc1"), runlevel: "rc1", loaded: [] } as const;
  const perRank = rankFactsOf(options);
  const facts = rank === null ? context.facts : factsAt(context.facts, perRank, context.facts.rank);
  return withPlan(phase, { ...context, facts }, { ...options, planOnly: true }, (first, _session, asked) => {
    const { catalog, request } = first;
    const isFirst = (lowest: number): boolean =>
      lowest === facts.rank && (rank !== null || perRank.length === 0);
    const classes = rank === null ? rankClasses(catalog.units, facts.size, perRank) : [rankSetOf([rank])];
    const plans = classes.map((ranks): RankedPlan => {
      const lowest = ranks.ranges[0]?.[0] ?? facts.rank;
      if (isFirst(lowest)) return { ranks, plan: first };
      const planned = plan(catalog, { request, facts: factsAt(facts, perRank, lowest), ...asked });
      return { ranks, plan: valueOf(planned) };
    });
    return { plans, lock: lockOf(plans, facts.size, rank), asked };
  });
}

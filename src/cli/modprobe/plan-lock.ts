import {
  type AccountInput,
  type Cause,
  causeLines,
  causesOfDifference,
  differenceText,
  diffLocks,
  factsAt,
  lockOf,
  plan,
  type LockDifference,
  type PlanLock,
  rankClasses,
  type RankedPlan,
} from "../../graph/index.js";
import { rankSetOf } from "../../units/index.js";
import { originOfFact } from "../fact-origins.js";
import type { FactOptions, PlanningContext } from "../facts.js";
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
 * Plans rc1 for one rank, or for each class of ranks. It reads the rc files once, for the rank of the facts.
 * @param rank the only rank to plan for; null for all
 * @throws ExitError after it has printed the problems
 */
export async function lockPlans(
  context: PlanningContext,
  options: UnitOptions & RankFactOptions,
  rank: number | null,
): Promise<LockedPlans> {
  const phase = { files: await phaseFiles("rc1", context, options), runlevel: "rc1", loaded: [] } as const;
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

/** One of two plans that are compared. */
export interface LockSide {
  readonly lock: PlanLock;
  /** The inputs of the plan of a class of ranks; undefined for a side with only a lock. */
  account(ranks: string | undefined): AccountInput | undefined;
}

/** A lock in the form in which it was written. */
export function writtenSide(lock: PlanLock): LockSide {
  return { lock, account: () => undefined };
}

/** A side that was planned just now. */
export function plannedSide(
  { lock, plans, asked }: LockedPlans,
  context: PlanningContext,
  facts: FactOptions,
): LockSide {
  const factOrigin: AccountInput["factOrigin"] = (fact) => originOfFact(fact, context, facts);
  return {
    lock,
    account: (ranks) => {
      const found = plans.find((each) => each.ranks.text === ranks) ?? plans[0];
      return found && { plan: found.plan, ...asked, factOrigin };
    },
  };
}

/** A difference and its causes. */
export interface CausedDifference extends Pick<LockDifference, "ranks" | "change"> {
  readonly causes: readonly Cause[];
}

/** The differences between two sides, with the causes for a side that was planned now. */
export function diffSides(before: LockSide, after: LockSide): CausedDifference[] {
  return diffLocks(before.lock, after.lock).map(({ ranks, change, classes }) => ({
    ranks,
    change,
    causes: causesOfDifference(change, before.account(classes?.before), after.account(classes?.after)),
  }));
}

/** Lines for people: the difference, and below it the causes. */
export function differenceLines({ causes, ...difference }: CausedDifference): string[] {
  return [differenceText(difference), ...causeLines(causes).map((line) => `  ${line}`)];
}

import { type RankSet, rankSetHas, type Unit } from "../../units/index.js";
import type { Facts } from "../types.js";

/**
 * Facts that apply on some ranks only, over facts that apply on all. The last of several counts
 * (docs/design/instance.md §5).
 */
export interface RankFacts {
  readonly ranks: RankSet;
  readonly attrs?: Facts["attrs"];
  readonly env?: Facts["env"];
}

/** The facts of one rank: the facts of all ranks, overridden by the facts of this rank. */
export function factsAt(facts: Facts, perRank: readonly RankFacts[], rank: number): Facts {
  const own = perRank.filter(({ ranks }) => rankSetHas(ranks, rank));
  if (own.length === 0) return { ...facts, rank };
  return {
    ...facts,
    rank,
    attrs: Object.assign({}, facts.attrs, ...own.map(({ attrs }) => attrs)) as Facts["attrs"],
    env: Object.assign({}, facts.env, ...own.map(({ env }) => env)) as Facts["env"],
  };
}

/**
 * The sets of ranks that distinguish plans. They are the different values of `ranks`, and the ranks with a fact that
 * a condition of some unit checks. A fact that no condition checks makes no difference.
 */
export function decisiveRankSets(units: readonly Unit[], perRank: readonly RankFacts[]): RankSet[] {
  const sets = new Map<string, RankSet>();
  for (const { ranks } of units) sets.set(ranks.text, ranks);
  if (perRank.length === 0) return [...sets.values()];
  const attrs = new Set(units.flatMap(({ needsAttrs }) => needsAttrs.map(({ key }) => key)));
  const env = new Set(units.flatMap(({ needsEnv }) => needsEnv.map(({ key }) => key)));
  for (const { ranks, attrs: itsAttrs = {}, env: itsEnv = {} } of perRank) {
    const isAsked =
      Object.keys(itsAttrs).some((name) => attrs.has(name)) ||
      Object.keys(itsEnv).some((name) => env.has(name));
    if (isAsked) sets.set(ranks.text, ranks);
  }
  return [...sets.values()];
}

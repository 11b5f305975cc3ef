import { MAX_RANK, rankSetHas, type RankSet, formatRankSet } from "../units/index.js";
import type { Unit } from "../units/index.js";

/**
 * The ranks of an instance in classes: on all ranks of one class the same units are meant to be, so that one plan does
 * for all of them. Costs as much as there are different values of `ranks`, whatever the size.
 * @param size of the instance
 * @returns by their lowest rank; `text` is an idset, or `all`
 */
export function rankClasses(units: readonly Unit[], size: number): RankSet[] {
  const sets = new Map<string, RankSet>();
  for (const { ranks } of units) sets.set(ranks.text, ranks);
  const starts = new Set([0]);
  for (const { ranges } of sets.values()) {
    for (const [low, high] of ranges)
      for (const start of [low, high + 1]) if (start < size) starts.add(start);
  }
  const ascending = [...starts].sort((a, b) => a - b);
  const classes = new Map<string, [number, number][]>();
  for (const [i, low] of ascending.entries()) {
    const high = (ascending[i + 1] ?? size) - 1;
    const signature = Array.from(sets.values(), (set) => Number(rankSetHas(set, low))).join("");
    const ranges = classes.get(signature);
    if (ranges === undefined) classes.set(signature, [[low, high]]);
    else ranges.push([low, high]);
  }
  return Array.from(classes.values(), (ranges) => ({ text: classText(ranges, size), ranges }));
}

function classText(ranges: readonly (readonly [number, number])[], size: number): string {
  const [first] = ranges;
  const isAll = ranges.length === 1 && first?.[0] === 0 && first[1] === Math.min(size, MAX_RANK + 1) - 1;
  return isAll && size > 1 ? "all" : formatRankSet({ ranges });
}

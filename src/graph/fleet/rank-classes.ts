import { formatRankSet, MAX_RANK, type RankSet, type Unit } from "../../units/index.js";
import { decisiveRankSets, type RankFacts } from "./rank-facts.js";

/**
 * The ranks of an instance in classes. All ranks of one class have the same units, so that one plan is enough for all
 * of them. The cost grows with the number of different sets of ranks that units or facts name, and not with the size.
 * @param size of the instance
 * @param perRank facts that apply on some ranks only
 * @returns in the order of their lowest ranks; `text` is an idset, or `all`
 */
export function rankClasses(
  units: readonly Unit[],
  size: number,
  perRank: readonly RankFacts[] = [],
): RankSet[] {
  const sets = decisiveRankSets(units, perRank);
  const starts = new Set([0]);
  for (const { ranges } of sets) {
    for (const [low, high] of ranges)
      for (const start of [low, high + 1]) if (start < size) starts.add(start);
  }
  const ascending = [...starts].sort((a, b) => a - b);
  const classOf = refine(ascending, sets);
  const classes = new Map<number, [number, number][]>();
  for (const [i, low] of ascending.entries()) {
    const high = (ascending[i + 1] ?? size) - 1;
    const ranges = classes.get(classOf[i] ?? 0);
    if (ranges === undefined) classes.set(classOf[i] ?? 0, [[low, high]]);
    else ranges.push([low, high]);
  }
  return Array.from(classes.values(), (ranges) => ({ text: classText(ranges, size), ranges }));
}

/**
 * Groups intervals of ranks into classes: two are in one class if they are in the same sets. Each set splits the
 * classes that it overlaps, so that the cost of many small sets depends only on the ranks that they name.
 * @param starts the starts of the intervals, ascending; no set begins or ends inside one
 * @returns interval → class
 */
function refine(starts: readonly number[], sets: readonly RankSet[]): Int32Array {
  const placeOf = new Map(starts.map((start, place) => [start, place]));
  const classOf = new Int32Array(starts.length);
  let classCount = 1;
  for (const { ranges } of sets) {
    const part = new Map<number, number>();
    for (const [low, high] of ranges) {
      // A set that begins beyond the last rank has no interval.
      const first = placeOf.get(low) ?? starts.length;
      for (let place = first; place < starts.length && (starts[place] ?? 0) <= high; place++) {
        const whole = classOf[place] ?? 0;
        const own = part.get(whole) ?? classCount++;
        part.set(whole, own);
        classOf[place] = own;
      }
    }
  }
  return classOf;
}

function classText(ranges: readonly (readonly [number, number])[], size: number): string {
  const [first] = ranges;
  const isAll = ranges.length === 1 && first?.[0] === 0 && first[1] === Math.min(size, MAX_RANK + 1) - 1;
  return isAll && size > 1 ? "all" : formatRankSet({ ranges });
}

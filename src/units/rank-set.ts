import type { RankSet } from "./values.js";
import { quoted } from "./text.js";

/** The highest possible rank (RFC 22: ids are 32 bits, and the last one is reserved). */
export const MAX_RANK = 2 ** 32 - 2;

/** The value of a text, or its problem. */
export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

type Range = readonly [low: number, high: number];

/**
 * Sets seen before: thousands of units share a handful of texts. Bounded, because it lasts as long as the process.
 */
const known = new Map<string, Parsed<RankSet>>();
const KNOWN_LIMIT = 1000;

/** `> 0` means `>0`, as in flux-modprobe. */
const BLANK_BEFORE_BOUND = /^([<>])[ \t]+(\d+)$/;

/**
 * Reads the value of `ranks`: `all`, an RFC 22 idset with or without brackets, `>N` or `<N`
 * (docs/design/planning.md §1). Ids are strictly ascending, without leading zeros. A range has low < high.
 * @returns the set, or a message that contains `invalid idset`
 */
export function parseRankSet(text: string): Parsed<RankSet> {
  const before = known.get(text);
  if (before !== undefined) return before;
  const plain = text.replace(BLANK_BEFORE_BOUND, "$1$2");
  const ranges = parseRanges(plain);
  const parsed: Parsed<RankSet> =
    ranges === undefined
      ? { ok: false, message: `invalid idset ${quoted(text)}` }
      : { ok: true, value: { text: plain, ranges } };
  if (known.size < KNOWN_LIMIT && text.length < 100) known.set(text, parsed);
  return parsed;
}

/** All ranks, the default of a unit. */
export const ALL_RANKS: RankSet = { text: "all", ranges: [[0, MAX_RANK]] };

function parseRanges(text: string): Range[] | undefined {
  if (text === "all") return [[0, MAX_RANK]];
  if (text.startsWith(">") || text.startsWith("<")) return parseComparison(text);
  const opened = text.startsWith("[");
  if (opened !== text.endsWith("]")) return undefined;
  return parseIdset(opened ? text.slice(1, -1) : text);
}

function parseComparison(text: string): Range[] | undefined {
  const bound = parseId(text.slice(1));
  if (bound === undefined) return undefined;
  const [low, high] = text.startsWith(">") ? [bound + 1, MAX_RANK] : [0, bound - 1];
  return low <= high ? [[low, high]] : [];
}

function parseIdset(text: string): Range[] | undefined {
  const ranges: Range[] = [];
  let previous = -1;
  for (const part of text.split(",")) {
    const dash = part.indexOf("-");
    const low = parseId(dash < 0 ? part : part.slice(0, dash));
    const high = dash < 0 ? low : parseId(part.slice(dash + 1));
    if (low === undefined || high === undefined || low <= previous) return undefined;
    if (dash >= 0 && low >= high) return undefined;
    ranges.push([low, high]);
    previous = high;
  }
  return ranges;
}

function parseId(text: string): number | undefined {
  if (!/^(?:0|[1-9]\d{0,9})$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_RANK ? id : undefined;
}

/** Whether a rank is in a set. It uses binary search, so that a set of thousands of ranges is fast too. */
export function rankSetHas(set: RankSet, rank: number): boolean {
  let from = 0;
  let to = set.ranges.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const range = set.ranges[middle];
    if (range === undefined || rank < range[0]) to = middle;
    else if (rank > range[1]) from = middle + 1;
    else return true;
  }
  return false;
}

/**
 * The canonical text of a set: `all`, `>N` for a set without an upper end, else an idset with neighbours joined.
 * The empty set is the empty string, which is not a value of `ranks`.
 */
export function formatRankSet(set: Pick<RankSet, "ranges">): string {
  const joined = joinNeighbours(set.ranges);
  const [first] = joined;
  if (joined.length === 1 && first?.[1] === MAX_RANK) {
    return first[0] === 0 ? "all" : `>${first[0] - 1}`;
  }
  return joined.map(([low, high]) => (low === high ? `${low}` : `${low}-${high}`)).join(",");
}

/** Makes a set of ascending, different ranks, e.g. a class of ranks with the same plan. */
export function rankSetOf(ranks: Iterable<number>): RankSet {
  const ranges: Range[] = [];
  for (const rank of ranks) ranges.push([rank, rank]);
  const joined = joinNeighbours(ranges);
  return { text: formatRankSet({ ranges: joined }), ranges: joined };
}

function joinNeighbours(ranges: readonly Range[]): Range[] {
  const joined: Range[] = [];
  for (const [low, high] of ranges) {
    const last = joined.at(-1);
    if (last !== undefined && last[1] + 1 === low) joined[joined.length - 1] = [last[0], high];
    else joined.push([low, high]);
  }
  return joined;
}

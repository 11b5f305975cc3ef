import type { Box, BoxGraph } from "./boxes.js";

/** Up to this number each unit has a box of its own. */
const UNITS_MAX = 120;
/**
 * The most boxes and lines that a reader can follow, and that are laid out within seconds. Above these numbers, the
 * picture shows levels.
 */
const BOXES_MAX = 300;
const TIES_MAX = 700;
/** The most levels that have a box of their own. */
const LEVELS_MAX = 40;

/** The value for a missing neighbour. */
const NONE = -1;
const SEVERAL = -2;

/** How much to fold: as much as necessary, or always all units of a level into one box. */
export type Folding = "as-needed" | "levels";

/**
 * Fewer boxes where a reader could not follow all of them. First, units with the same neighbours and chains become
 * one box each, which loses no relation. If that is not enough, all units of a level become one box.
 * @param centre stays a box of its own
 */
export function fold(graph: BoxGraph, centre: string | undefined, folding: Folding): BoxGraph {
  if (folding === "levels") return levels(graph);
  if (graph.boxes.length <= UNITS_MAX && graph.tieCount <= TIES_MAX) return graph;
  let folded = graph;
  for (;;) {
    const before = folded.boxes.length;
    folded = chains(alike(folded, centre), centre);
    if (folded.boxes.length === before) break;
  }
  return folded.boxes.length <= BOXES_MAX && folded.tieCount <= TIES_MAX ? folded : levels(graph);
}

function isCentre({ members: [first] }: Box, centre: string | undefined): boolean {
  return first !== undefined && first.name === centre;
}

function isLeftOut({ members: [first] }: Box): boolean {
  return first?.leftOut !== undefined;
}

/** Joins boxes with the same relations to the same others. */
function alike(graph: BoxGraph, centre: string | undefined): BoxGraph {
  const links = graph.boxes.map((): string[] => []);
  for (const [first, then, bits] of graph.entries()) {
    links[first]?.push(`>${then}:${bits}`);
    links[then]?.push(`<${first}:${bits}`);
  }
  const rows = new Map<string, number[]>();
  for (const [i, box] of graph.boxes.entries()) {
    const key = isCentre(box, centre) ? "centre" : `${isLeftOut(box)} ${links[i]?.join(" ") ?? ""}`;
    const row = rows.get(key);
    if (row === undefined) rows.set(key, [i]);
    else row.push(i);
  }
  return graph.merged([...rows.values()], "alike");
}

/** Joins consecutive boxes of which each has only one successor, which has only this predecessor. */
function chains(graph: BoxGraph, centre: string | undefined): BoxGraph {
  const count = graph.boxes.length;
  const after = new Int32Array(count).fill(NONE);
  const before = new Int32Array(count).fill(NONE);
  for (const [first, then] of graph.entries()) {
    after[first] = after[first] === NONE ? then : SEVERAL;
    before[then] = before[then] === NONE ? first : SEVERAL;
  }
  const rowOf = new Map<number, number[]>();
  for (const [i, box] of graph.boxes.entries()) {
    const previous = before[i] ?? NONE;
    const earlier = graph.boxes[previous];
    const joins =
      earlier !== undefined &&
      after[previous] === i &&
      !isCentre(box, centre) &&
      !isCentre(earlier, centre) &&
      isLeftOut(box) === isLeftOut(earlier);
    const row = (joins ? rowOf.get(previous) : undefined) ?? [];
    row.push(i);
    rowOf.set(i, row);
  }
  return graph.merged([...new Set(rowOf.values())], "chain");
}

/** One box a level. A unit is one level after the last of its predecessors. Many levels become bands of several. */
function levels(graph: BoxGraph): BoxGraph {
  const level = new Uint32Array(graph.boxes.length);
  let deepest = 0;
  for (const [first, then] of graph.entries()) {
    const own = Math.max(level[then] ?? 0, (level[first] ?? 0) + 1);
    level[then] = own;
    deepest = Math.max(deepest, own);
  }
  const height = Math.max(1, Math.ceil((deepest + 1) / LEVELS_MAX));
  const rows: number[][] = Array.from({ length: Math.floor(deepest / height) + 1 }, () => []);
  for (const [box, own] of level.entries()) rows[Math.floor(own / height)]?.push(box);
  return graph.merged(rows, "level");
}

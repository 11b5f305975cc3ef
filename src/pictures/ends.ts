import { type Box, type BoxGraph, ORDER_BIT } from "./boxes.js";

/** A graph without the boxes that come before, or after, all its other boxes. */
export interface GraphWithEnds {
  readonly graph: BoxGraph;
  readonly first: readonly Box[];
  readonly last: readonly Box[];
}

/** The fewest lines for which it sets a box apart. Fewer lines are easy to draw. */
const LINES_MIN = 4;

/**
 * Sets apart the boxes that come after all the rest and have no other relation, such as a task with `after = ["*"]`.
 * It does the same for those that come before. One bracket is clearer than a line from every box.
 */
export function setEndsApart(graph: BoxGraph): GraphWithEnds {
  const last = endsOf(graph, ([first, then, bits]) => ({ end: then, other: first, bits }));
  const first = endsOf(graph, ([earlier, then, bits]) => ({ end: earlier, other: then, bits }));
  const boxesOf = (ends: ReadonlySet<number>): Box[] => graph.boxes.filter((_, i) => ends.has(i));
  return {
    graph: graph.only((box) => !last.has(box) && !first.has(box)),
    first: boxesOf(first),
    last: boxesOf(last),
  };
}

type Entry = ReturnType<BoxGraph["entries"]>[number];

/** @param turn the box of a line that may be at this end, and the other one */
function endsOf(
  graph: BoxGraph,
  turn: (entry: Entry) => { readonly end: number; readonly other: number; readonly bits: number },
): ReadonlySet<number> {
  const lines = graph.entries().map(turn);
  const others = graph.boxes.map((): number[] => []);
  const isPlain = graph.boxes.map(() => true);
  for (const { end, other, bits } of lines) {
    others[end]?.push(other);
    isPlain[other] = false;
    if (bits !== ORDER_BIT) isPlain[end] = false;
  }
  const ends = new Set<number>();
  for (const [box, neighbours] of others.entries())
    if (isPlain[box] === true && neighbours.length >= LINES_MIN) ends.add(box);
  // Whether a box has all others on its side depends on which boxes are already set apart.
  for (;;) {
    const loose = looseOf(graph, lines, ends);
    const wrong = [...ends].filter(
      (box) => others[box]?.length !== loose.size || !others[box].every((other) => loose.has(other)),
    );
    if (wrong.length === 0) return ends;
    for (const box of wrong) ends.delete(box);
  }
}

/** Boxes without an order to another box on that side. The boxes set apart do not count. */
function looseOf(
  graph: BoxGraph,
  lines: readonly { readonly end: number; readonly other: number; readonly bits: number }[],
  ends: ReadonlySet<number>,
): ReadonlySet<number> {
  const loose = new Set([...graph.boxes.keys()].filter((box) => !ends.has(box)));
  for (const { end, other, bits } of lines)
    if (!ends.has(end) && (bits & ORDER_BIT) !== 0) loose.delete(other);
  return loose;
}

import type { PictureNode } from "../graph/index.js";
import type { Box } from "./boxes.js";

/** Left-out units up to this number have a box of their own; above it, units with one reason share a box. */
const BOXES_MAX = 40;

/** Boxes for the left-out units, in their order. A fold has the place of its first unit. */
export function boxLeftOut(nodes: readonly PictureNode[]): Box[] {
  if (nodes.length <= BOXES_MAX) return nodes.map((node) => ({ kind: "unit", members: [node] }));
  const byReason = new Map<string, PictureNode[]>();
  for (const node of nodes) {
    const known = byReason.get(node.leftOut ?? "");
    if (known === undefined) byReason.set(node.leftOut ?? "", [node]);
    else known.push(node);
  }
  const groups = [...byReason.values()];
  // If there are too many groups, the largest ones have a box each, and the others share one.
  const kept = new Set(groups.toSorted((a, b) => b.length - a.length).slice(0, BOXES_MAX));
  const rest = groups.filter((group) => !kept.has(group)).flat();
  return [
    ...groups.filter((group) => kept.has(group)).map(boxOf),
    ...(rest.length === 0 ? [] : [boxOf(rest)]),
  ];
}

function boxOf(members: readonly PictureNode[]): Box {
  if (members.length === 1) return { kind: "unit", members };
  const reasons = new Set(members.map(({ leftOut }) => leftOut));
  return { kind: reasons.size === 1 ? "alike" : "mixed", members };
}

import type { OrderGraph } from "./edges.js";
import { MinHeap } from "./min-heap.js";
import type { Dag } from "./types.js";

/**
 * The canonical order (docs/design/planning.md §5.4): repeatedly the ready unit that comes first in load order.
 * Barriers are passed as soon as they are ready, for they are no units.
 * @returns nodes of units in order; fewer than there are if some are in or behind a cycle
 */
export function canonicalOrder({ units, nodeCount, edges }: OrderGraph): Uint32Array {
  const waiting = new Uint32Array(nodeCount);
  for (const target of edges.items) waiting[target] = (waiting[target] ?? 0) + 1;
  const ready = new MinHeap();
  const passed: number[] = [];
  const release = (node: number): void => {
    if (node < units.length) ready.push(node);
    else passed.push(node);
  };
  for (let node = 0; node < nodeCount; node++) if (waiting[node] === 0) release(node);

  const order = new Uint32Array(units.length);
  let done = 0;
  for (;;) {
    const node = passed.pop() ?? ready.pop();
    if (node === undefined) return order.subarray(0, done);
    if (node < units.length) order[done++] = node;
    for (let e = edges.start(node); e < edges.end(node); e++) {
      const target = edges.item(e);
      const left = (waiting[target] ?? 0) - 1;
      waiting[target] = left;
      if (left === 0) release(target);
    }
  }
}

/** The same graph with its nodes numbered by canonical order, barriers after them. */
export function toDag({ units, nodeCount, edges }: OrderGraph, order: Uint32Array): Dag {
  const place = new Uint32Array(nodeCount);
  for (let position = 0; position < nodeCount; position++) place[order[position] ?? position] = position;
  const offsets = new Uint32Array(nodeCount + 1);
  const targets = new Uint32Array(edges.items.length);
  let filled = 0;
  for (let position = 0; position < nodeCount; position++) {
    const node = order[position] ?? position;
    for (let e = edges.start(node); e < edges.end(node); e++) targets[filled++] = place[edges.item(e)] ?? 0;
    offsets[position + 1] = filled;
  }
  return { stepCount: units.length, nodeCount, offsets, targets };
}

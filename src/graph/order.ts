import { type Diagnostic, fail, type Result, succeed } from "../errors/index.js";
import type { CatalogIndex } from "./catalog-index.js";
import { cycleDiagnostic, findCycles } from "./cycles/cycles.js";
import { buildEdges, buildRecordedEdges, type OrderGraph } from "./edges.js";
import { Heap } from "./heap.js";
import type { Dag, LoadOrder, Step } from "./types.js";

/** Steps in canonical order and the edges among them. */
export interface OrderedSteps {
  readonly steps: readonly Step[];
  readonly dag: Dag;
}

/** The units to order. */
export interface UnorderedSteps {
  /** Ascending. */
  readonly units: Uint32Array;
  /** Unit → 1 if it is to be removed, so that its `before` and `after` are exchanged. */
  readonly isReversed: Uint8Array;
  readonly stepOf: (unit: number) => Step;
}

/**
 * Puts units in order (docs/design/planning.md §5.2–4).
 * @param recorded removals go in the order that was recorded at the load. The present relations of units
 * count too. If that makes a cycle, the order ignores them. The cycle is then a warning
 * @returns errors GRAPH_CYCLE, one for each strongly connected component
 */
export function orderSteps(
  index: CatalogIndex,
  unordered: UnorderedSteps,
  recorded?: LoadOrder,
): Result<OrderedSteps> {
  const { units, isReversed } = unordered;
  if (recorded === undefined) return settle(index, buildEdges(index, units, isReversed), unordered);
  const both = buildRecordedEdges(index, units, isReversed, { order: recorded, own: true });
  const ordered = settle(index, both, unordered);
  if (ordered.ok) return ordered;
  const alone = buildRecordedEdges(index, units, isReversed, { order: recorded, own: false });
  const result = settle(index, alone, unordered);
  if (!result.ok) return result;
  return succeed(result.value, ordered.diagnostics.map(asWarning));
}

function settle(
  index: CatalogIndex,
  graph: OrderGraph,
  { isReversed, stepOf }: UnorderedSteps,
): Result<OrderedSteps> {
  const order = canonicalOrder(graph);
  if (order.length < graph.units.length) {
    return fail(findCycles(index, graph, order, isReversed).map(cycleDiagnostic));
  }
  const steps: Step[] = [];
  for (const node of order) steps.push(stepOf(graph.units[node] ?? 0));
  return succeed({ steps, dag: toDag(graph, order) });
}

function asWarning(diagnostic: Diagnostic): Diagnostic {
  return { ...diagnostic, severity: "warning" };
}

/**
 * The canonical order (docs/design/planning.md §5.4): repeatedly the ready unit that comes first in load order.
 * It passes barriers as soon as they are ready, because they are no units.
 * @returns nodes of units in order; some are missing if they are in or behind a cycle
 */
export function canonicalOrder({ units, nodeCount, edges }: OrderGraph): Uint32Array {
  const waiting = new Uint32Array(nodeCount);
  for (const target of edges.items) waiting[target] = (waiting[target] ?? 0) + 1;
  const ready = new Heap((a, b) => a < b);
  const passed: number[] = [];
  const release = (node: number): void => {
    if (node < units.length) ready.push(node);
    else passed.push(node);
  };
  for (let node = 0; node < nodeCount; node++) if (waiting[node] === 0) release(node);

  const order = new Uint32Array(units.length);
  const { offsets, items } = edges;
  let done = 0;
  for (;;) {
    const node = passed.pop() ?? ready.pop();
    if (node === undefined) return order.subarray(0, done);
    if (node < units.length) order[done++] = node;
    for (let e = offsets[node] ?? 0, end = offsets[node + 1] ?? 0; e < end; e++) {
      const target = items[e] ?? 0;
      const left = (waiting[target] ?? 0) - 1;
      waiting[target] = left;
      if (left === 0) release(target);
    }
  }
}

/** The same graph with its nodes numbered by canonical order, barriers after them. */
function toDag({ units, nodeCount, edges }: OrderGraph, order: Uint32Array): Dag {
  const place = new Uint32Array(nodeCount);
  for (let position = 0; position < nodeCount; position++) place[order[position] ?? position] = position;
  const offsets = new Uint32Array(nodeCount + 1);
  const targets = new Uint32Array(edges.items.length);
  let filled = 0;
  for (let position = 0; position < nodeCount; position++) {
    const node = order[position] ?? position;
    for (let e = edges.start(node), end = edges.end(node); e < end; e++) {
      targets[filled++] = place[edges.items[e] ?? 0] ?? 0;
    }
    offsets[position + 1] = filled;
  }
  return { stepCount: units.length, nodeCount, offsets, targets };
}

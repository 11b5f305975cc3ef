import { fail, type Result, succeed } from "../errors/index.js";
import type { CatalogIndex } from "./catalog-index.js";
import { cycleDiagnostic, findCycles } from "./cycles/cycles.js";
import { buildEdges } from "./edges.js";
import { canonicalOrder, toDag } from "./order.js";
import type { Dag, Step } from "./types.js";

/** Steps in canonical order and the edges among them. */
export interface OrderedSteps {
  readonly steps: readonly Step[];
  readonly dag: Dag;
}

/**
 * Puts units in order (docs/design/planning.md §5.2–4).
 * @param units ascending
 * @param isReversed unit → it is to be removed, so that its `before` and `after` change places
 * @returns errors GRAPH_CYCLE, one for each strongly connected component
 */
export function orderSteps(
  index: CatalogIndex,
  units: Uint32Array,
  isReversed: Uint8Array,
  stepOf: (unit: number) => Step,
): Result<OrderedSteps> {
  const graph = buildEdges(index, units, isReversed);
  const order = canonicalOrder(graph);
  if (order.length < units.length) {
    return fail(findCycles(index, graph, order, isReversed).map(cycleDiagnostic));
  }
  const steps: Step[] = [];
  for (const node of order) steps.push(stepOf(units[node] ?? 0));
  return succeed({ steps, dag: toDag(graph, order) });
}

import { type Diagnostic, fail, type Result, succeed } from "../errors/index.js";
import type { CatalogIndex } from "./catalog-index.js";
import { cycleDiagnostic, findCycles } from "./cycles/cycles.js";
import { buildEdges, buildRecordedEdges, type OrderGraph } from "./edges.js";
import { canonicalOrder, toDag } from "./order.js";
import type { Dag, LoadOrder, Step } from "./types.js";

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
  return settle(index, buildEdges(index, units, isReversed), isReversed, stepOf);
}

/**
 * As {@link orderSteps}, with what is removed in the order in which it was recorded. What units say now counts besides, unless
 * that would be a cycle: then it is set aside, with a warning.
 */
export function orderStepsAsRecorded(
  index: CatalogIndex,
  units: Uint32Array,
  isReversed: Uint8Array,
  { order, stepOf }: { readonly order: LoadOrder; readonly stepOf: (unit: number) => Step },
): Result<OrderedSteps> {
  const both = buildRecordedEdges(index, units, isReversed, { order, own: true });
  const arranged = settle(index, both, isReversed, stepOf);
  if (arranged.ok) return arranged;
  const recorded = buildRecordedEdges(index, units, isReversed, { order, own: false });
  const result = settle(index, recorded, isReversed, stepOf);
  if (!result.ok) return result;
  return succeed(result.value, arranged.diagnostics.map(asWarning));
}

function settle(
  index: CatalogIndex,
  graph: OrderGraph,
  isReversed: Uint8Array,
  stepOf: (unit: number) => Step,
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

import { type Components, OUTSIDE } from "../components.js";
import type { Csr } from "../csr.js";
import { RowList } from "../csr.js";
import type { OrderGraph } from "../edges.js";

/** One strongly connected component of an {@link OrderGraph}, numbered by itself: units ascending, then barriers. */
export interface ComponentGraph {
  readonly unitCount: number;
  /** Own number → node of the whole graph. */
  readonly nodes: readonly number[];
  readonly successors: Csr;
  readonly predecessors: Csr;
}

/** The components that hold a cycle, by their first unit. */
export function cyclicComponents(graph: OrderGraph, { count, of }: Components): ComponentGraph[] {
  const members: number[][] = Array.from({ length: count }, () => []);
  for (const [node, component] of of.entries()) if (component !== OUTSIDE) members[component]?.push(node);
  const own = new Uint32Array(graph.nodeCount);
  return members
    .filter((nodes) => nodes.length > 1)
    .sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0))
    .map((nodes) => extract(graph, nodes, of, own));
}

function extract(graph: OrderGraph, nodes: number[], of: Uint32Array, own: Uint32Array): ComponentGraph {
  for (const [number, node] of nodes.entries()) own[node] = number;
  const rows = new RowList();
  for (const node of nodes) {
    for (let e = graph.edges.start(node); e < graph.edges.end(node); e++) {
      const target = graph.edges.item(e);
      if (of[target] === of[node]) rows.add(own[target] ?? 0);
    }
    rows.endRow();
  }
  const successors = rows.toCsr();
  return {
    unitCount: nodes.filter((node) => node < graph.units.length).length,
    nodes,
    successors,
    predecessors: successors.reversed(nodes.length),
  };
}

import type { Csr } from "./csr.js";

/** Component of a node that is not part of the graph. */
export const OUTSIDE = 0xffffffff;

/** The strongly connected components of a graph. */
export interface Components {
  readonly count: number;
  /** Node → component, in reverse topological order, or {@link OUTSIDE}. */
  readonly of: Uint32Array;
}

const UNSEEN = 0;

/**
 * Tarjan's algorithm with its own stack, so that a chain of 200,000 nodes does not exhaust the stack of the engine.
 * @param included 1 for nodes that are part of the graph
 */
export function stronglyConnected(edges: Csr, included: Uint8Array): Components {
  const nodeCount = edges.rowCount;
  const of = new Uint32Array(nodeCount).fill(OUTSIDE);
  const found = new Uint32Array(nodeCount);
  const lowest = new Uint32Array(nodeCount);
  const nextEdge = new Uint32Array(nodeCount);
  const path: number[] = [];
  const open: number[] = [];
  let clock = UNSEEN;
  let count = 0;

  const enter = (node: number): void => {
    clock += 1;
    found[node] = clock;
    lowest[node] = clock;
    nextEdge[node] = edges.start(node);
    path.push(node);
    open.push(node);
  };
  const lower = (node: number, to: number): void => {
    if (to < (lowest[node] ?? 0)) lowest[node] = to;
  };
  const close = (node: number): void => {
    let member: number | undefined;
    do {
      member = open.pop();
      if (member !== undefined) of[member] = count;
    } while (member !== node);
    count += 1;
  };

  for (let root = 0; root < nodeCount; root++) {
    if (included[root] !== 1 || found[root] !== UNSEEN) continue;
    enter(root);
    for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
      const edge = nextEdge[node] ?? 0;
      if (edge < edges.end(node)) {
        nextEdge[node] = edge + 1;
        const target = edges.item(edge);
        if (included[target] !== 1) continue;
        if (found[target] === UNSEEN) enter(target);
        else if (of[target] === OUTSIDE) lower(node, found[target] ?? 0);
        continue;
      }
      path.pop();
      if (lowest[node] === found[node]) close(node);
      const parent = path.at(-1);
      if (parent !== undefined && of[node] === OUTSIDE) lower(parent, lowest[node] ?? 0);
    }
  }
  return { count, of };
}

/** The order in which a plan loads: the order between its modules and its other units. */
export interface LoadOrder {
  /** Names of modules; empty for other nodes, such as tasks. */
  readonly nodes: readonly string[];
  /** The successors of node i are `targets[offsets[i]] … targets[offsets[i + 1] - 1]`. */
  readonly offsets: Uint32Array;
  readonly targets: Uint32Array;
}

/** A module to be removed. */
export interface Loaded {
  readonly name: string;
  /** Modules of one plan have the same turn. A later plan, or a module loaded past all plans, has a higher one. */
  readonly turn: number;
}

/** The order of removals, in the form of {@link LoadOrder}. Names come first, in the order given. */
export type TakeDownOrder = LoadOrder;

/**
 * The order in which the broker takes modules down (docs/design/instance.md §1). The module that was loaded
 * last goes first. The modules of one plan go in the reverse of its order. Where the two disagree, the plan's
 * order applies. A provider that was removed and came again under the same name still outlives the modules
 * that the plan loaded after it.
 * @param loaded in the order of loading
 * @param plans the plans that loaded them, in order
 */
export function takeDownOrder(loaded: readonly Loaded[], plans: Iterable<LoadOrder>): TakeDownOrder {
  const graph = reversedPlans(loaded, plans);
  const turns = sortedTurns(loaded, graph);
  addTurns(graph, turns.effective, loaded.length);
  const nodes = [
    ...loaded.map(({ name }) => name),
    ...Array<string>(graph.nodeCount - loaded.length).fill(""),
  ];
  const rows: number[][] = nodes.map(() => []);
  for (const [first, then] of graph.edges) {
    // This ignores an edge that closes a ring. Two plans that disagree make one.
    if (turns.isHonoured(first, then)) rows[first]?.push(then);
  }
  return { nodes, ...flat(rows) };
}

interface Graph {
  nodeCount: number;
  /** Pairs of modules: the first one goes before the second one. */
  readonly edges: (readonly [number, number])[];
}

function reversedPlans(loaded: readonly Loaded[], plans: Iterable<LoadOrder>): Graph {
  const nodeOf = new Map(loaded.map(({ name }, node) => [name, node]));
  const graph: Graph = { nodeCount: loaded.length, edges: [] };
  for (const { nodes, offsets, targets } of plans) {
    // A removed module still orders the modules around it.
    const place = nodes.map((name) => nodeOf.get(name) ?? graph.nodeCount++);
    for (let node = 0; node < nodes.length; node++) {
      for (let e = offsets[node] ?? 0; e < (offsets[node + 1] ?? 0); e++) {
        graph.edges.push([place[targets[e] ?? 0] ?? 0, place[node] ?? 0]);
      }
    }
  }
  return graph;
}

interface Turns {
  /** Node → its turn, or an earlier one if a node of an earlier turn must go before it. */
  readonly effective: readonly number[];
  isHonoured(first: number, then: number): boolean;
}

/** Orders the nodes. Where no node is free, as in a ring, the one that was loaded last is next. */
function sortedTurns(loaded: readonly Loaded[], { nodeCount, edges }: Graph): Turns {
  const rows: number[][] = Array.from({ length: nodeCount }, () => []);
  const waiting = new Uint32Array(nodeCount);
  for (const [first, then] of edges) {
    rows[first]?.push(then);
    waiting[then] = (waiting[then] ?? 0) + 1;
  }
  const effective = Array.from({ length: nodeCount }, (_, node) => loaded[node]?.turn ?? Infinity);
  const position = new Int32Array(nodeCount).fill(-1);
  const free = [...waiting.keys()].filter((node) => waiting[node] === 0);
  let next = 0;
  let candidate = nodeCount - 1;
  while (next < nodeCount) {
    let node = free.pop();
    if (node === undefined) {
      while (position[candidate] !== -1) candidate--;
      node = candidate;
    }
    if (position[node] !== -1) continue;
    position[node] = next++;
    for (const then of rows[node] ?? []) {
      if (position[then] !== -1) continue;
      effective[then] = Math.min(effective[then] ?? 0, effective[node] ?? 0);
      waiting[then] = (waiting[then] ?? 0) - 1;
      if (waiting[then] === 0) free.push(then);
    }
  }
  return {
    effective,
    isHonoured: (first, then) =>
      first >= nodeCount || then >= nodeCount || (position[first] ?? 0) < (position[then] ?? 0),
  };
}

/**
 * Makes all modules of one turn wait for all of the next turn. A node between the two sides saves n² edges.
 */
function addTurns(graph: Graph, effective: readonly number[], count: number): void {
  const byTurn = new Map<number, number[]>();
  for (let node = 0; node < count; node++) {
    const turn = effective[node] ?? 0;
    const members = byTurn.get(turn);
    if (members === undefined) byTurn.set(turn, [node]);
    else members.push(node);
  }
  const turns = [...byTurn].sort(([a], [b]) => b - a).map(([, members]) => members);
  for (const [i, members] of turns.entries()) {
    const later = turns[i + 1];
    if (later === undefined) return;
    const barrier = graph.nodeCount++;
    for (const node of members) graph.edges.push([node, barrier]);
    for (const node of later) graph.edges.push([barrier, node]);
  }
}

function flat(rows: readonly (readonly number[])[]): { offsets: Uint32Array; targets: Uint32Array } {
  const offsets = new Uint32Array(rows.length + 1);
  for (const [i, row] of rows.entries()) offsets[i + 1] = (offsets[i] ?? 0) + row.length;
  return { offsets, targets: Uint32Array.from(rows.flat()) };
}

/**
 * Runs a function for each module of an order, as many at a time as the order allows.
 * @param act never rejects
 */
export async function inOrder(order: TakeDownOrder, act: (name: string) => Promise<void>): Promise<void> {
  const { nodes, offsets, targets } = order;
  if (nodes.length === 0) return;
  const waiting = new Uint32Array(nodes.length);
  for (const target of targets) waiting[target] = (waiting[target] ?? 0) + 1;
  const free = [...waiting.keys()].filter((node) => waiting[node] === 0);
  let left = nodes.length;
  await new Promise<void>((resolve) => {
    const startAll = (): void => {
      for (let node = free.pop(); node !== undefined; node = free.pop()) {
        const done = node;
        const name = nodes[node] ?? "";
        if (name === "") pass(done);
        else
          void act(name).then(() => {
            pass(done);
            startAll();
          });
      }
    };
    const pass = (node: number): void => {
      for (let e = offsets[node] ?? 0; e < (offsets[node + 1] ?? 0); e++) {
        const target = targets[e] ?? 0;
        waiting[target] = (waiting[target] ?? 0) - 1;
        if (waiting[target] === 0) free.push(target);
      }
      if (--left === 0) resolve();
    };
    startAll();
  });
}

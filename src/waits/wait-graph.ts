import type { OpenRequests, RankWaits, WaitedModule, WaitEdge, WaitGraph, WaitNode } from "./types.js";

/** A ring counts as a deadlock if all its edges are this old. Requests in progress are far younger. */
const DEADLOCK_SECONDS = 0.25;

/** A module is silent if it has sent nothing since the request, within this tolerance. */
const SILENT_SLACK_SECONDS = 0.1;

/**
 * The wait-for graph of an instance: its clients, modules and units, and the waits between them, over all ranks.
 *
 * Each rank that a request crosses reports it. The last one has the unit that must answer. It only counts
 * streams, because these stay open by design.
 * @param reports of the ranks that answered
 */
export function waitGraph(reports: readonly RankWaits[]): WaitGraph {
  const nodes = new Nodes(reports);
  const waiting = reports.flatMap(({ rank, requests }) => requests.map((request) => ({ rank, request })));
  const edges = merged(waiting.filter(({ request }) => !request.isStream)).map(({ rank, request }) => {
    const { topic, count, seconds, isHeld } = request;
    return {
      from: nodes.sender(request, rank),
      to: nodes.target(request, rank),
      topic,
      count,
      seconds,
      isHeld,
    };
  });
  return graphOf(withoutBusySilence([...edges, ...unitEdges(reports, nodes)]), waiting);
}

function graphOf(edges: WaitEdge[], waiting: readonly Seen[]): WaitGraph {
  edges.sort((a, b) => b.seconds - a.seconds);
  const outgoing = groupBy(edges, ({ from }) => from.id);
  return {
    edges,
    chains: chainsOf(edges, outgoing),
    deadlocks: ringsOf(edges, outgoing),
    streams: waiting
      .filter(({ request }) => request.isStream && request.hops === 1)
      .reduce((sum, { request }) => sum + request.count, 0),
  };
}

/** A node that itself waits for another counts as busy, and not as silent. */
function withoutBusySilence(edges: readonly WaitEdge[]): WaitEdge[] {
  const waiting = new Set(edges.map(({ from }) => from.id));
  const plain = (node: WaitNode): WaitNode => {
    if (node.state !== "silent" || !waiting.has(node.id)) return node;
    return { id: node.id, name: node.name, rank: node.rank };
  };
  return edges.map((edge) => ({ ...edge, from: plain(edge.from), to: plain(edge.to) }));
}

/** The part of the graph that concerns a name. */
export function waitsOf(graph: WaitGraph, name: string): WaitGraph {
  const has = (edges: readonly WaitEdge[]): boolean =>
    edges.some((edge) => edge.from.name === name || edge.to.name === name || serviceOf(edge.topic) === name);
  return {
    ...graph,
    edges: graph.edges.filter((edge) => has([edge])),
    chains: graph.chains.filter(has),
    deadlocks: graph.deadlocks.filter(has),
  };
}

interface Seen {
  readonly rank: number;
  readonly request: OpenRequests;
}

/**
 * A request that has gone on to another rank counts for that rank. A request on its way stays with the rank before.
 */
function merged(seen: readonly Seen[]): readonly Seen[] {
  if (seen.every(({ request }) => request.target.rank === undefined)) return seen;
  const groups = groupBy(seen, ({ request }) => `${request.origin} ${request.topic}`);
  return [...groups.values()].flatMap((group) =>
    group.flatMap(({ rank, request }) => {
      const { hops, target } = request;
      if (target.rank === undefined) return [{ rank, request }];
      const beyond = group.filter((other) => other.request.hops === hops + 1 && other.rank === target.rank);
      const count = request.count - beyond.reduce((sum, other) => sum + other.request.count, 0);
      return count > 0 ? [{ rank, request: { ...request, count } }] : [];
    }),
  );
}

/** Finds the node of an end, and makes each node once. */
class Nodes {
  readonly #modules = new Map<string, { readonly rank: number; readonly module: WaitedModule }>();
  readonly #byName = new Map<string, { readonly rank: number; readonly module: WaitedModule }>();
  readonly #senders = new Map<string, WaitNode>();
  readonly #made = new Map<string, WaitNode>();
  /** How long the oldest request to a node has been open. The node is silent only if it has sent nothing since. */
  readonly #oldest = new Map<string, number>();

  constructor(reports: readonly RankWaits[]) {
    for (const { rank, modules, requests } of reports) {
      for (const module of modules) {
        if (module.uuid !== "") this.#modules.set(module.uuid, { rank, module });
        this.#byName.set(`${rank} ${module.name}`, { rank, module });
      }
      for (const { origin, name, target, seconds, isStream } of requests) {
        if (name !== undefined) this.#senders.set(origin, { id: origin, name, rank });
        if (!isStream) this.#oldest.set(target.id, Math.max(seconds, this.#oldest.get(target.id) ?? 0));
      }
    }
  }

  sender({ origin }: OpenRequests, rank: number): WaitNode {
    return this.#moduleNode(origin) ?? this.#senders.get(origin) ?? { id: origin, name: "a client", rank };
  }

  target({ target, about }: OpenRequests, rank: number): WaitNode {
    const { id, name } = target;
    if (target.rank !== undefined) {
      const text = `rank ${target.rank}`;
      return this.#once({ id: text, name: text, rank: target.rank });
    }
    if (about !== undefined) return this.named(rank, about);
    return this.#moduleNode(id) ?? this.named(rank, name, id);
  }

  /** A module by its name, where it has no run yet or is being replaced; else a service of the broker. */
  named(rank: number, name: string, id = name): WaitNode {
    const found = this.#byName.get(`${rank} ${name}`);
    if (found !== undefined) return this.#nodeOf(found);
    return this.#once({ id: `${rank}/${id}`, name, rank });
  }

  #moduleNode(id: string): WaitNode | undefined {
    const found = this.#modules.get(id);
    return found === undefined ? undefined : this.#nodeOf(found);
  }

  #nodeOf({ rank, module }: { readonly rank: number; readonly module: WaitedModule }): WaitNode {
    const { name, state, idleSeconds, uuid } = module;
    const oldest = this.#oldest.get(uuid) ?? 0;
    const isSilent = state === "running" && oldest > 0 && idleSeconds + SILENT_SLACK_SECONDS >= oldest;
    return this.#once({
      ...{ id: `${rank}/module/${name}`, name, rank },
      ...(state !== "running" && { state, seconds: idleSeconds }),
      ...(isSilent && { state: "silent", seconds: Math.min(oldest, idleSeconds) }),
    });
  }

  #once(node: WaitNode): WaitNode {
    const known = this.#made.get(node.id);
    if (known !== undefined) return known;
    this.#made.set(node.id, node);
    return node;
  }
}

function unitEdges(reports: readonly RankWaits[], nodes: Nodes): WaitEdge[] {
  return reports.flatMap(({ rank, modules }) =>
    modules.flatMap(({ name, heldUnits, idleSeconds }) =>
      heldUnits.map((unit) => ({
        from: { id: `${rank}/unit/${unit}`, name: unit, rank },
        to: nodes.named(rank, name),
        ...{ topic: "after", count: 1, seconds: idleSeconds, isHeld: false },
      })),
    ),
  );
}

/** From each node without waiters, along the oldest wait of each further node. */
function chainsOf(
  edges: readonly WaitEdge[],
  outgoing: ReadonlyMap<string, readonly WaitEdge[]>,
): WaitEdge[][] {
  const waitedFor = new Set(edges.map(({ to }) => to.id));
  return edges
    .filter(({ from }) => !waitedFor.has(from.id))
    .map((edge) => {
      const chain = [edge];
      const passed = new Set([edge.from.id]);
      for (let next: WaitEdge | undefined = edge; next !== undefined;) {
        const { to }: WaitEdge = next;
        if (passed.has(to.id)) break;
        passed.add(to.id);
        next = outgoing.get(to.id)?.[0];
        if (next !== undefined) chain.push(next);
      }
      return chain;
    });
}

/** For each strongly connected part of old edges, a shortest ring through its oldest edge. */
function ringsOf(
  edges: readonly WaitEdge[],
  outgoing: ReadonlyMap<string, readonly WaitEdge[]>,
): WaitEdge[][] {
  const rings: WaitEdge[][] = [];
  const named = new Set<string>();
  for (const edge of mayBeInRing(edges.filter(isOld))) {
    if (named.has(edge.from.id)) continue;
    const ring = ringThrough(edge, outgoing);
    if (ring === undefined) continue;
    for (const { from } of ring) named.add(from.id);
    rings.push(ring);
  }
  return rings;
}

/**
 * Without the edges from units that no other waits for, and those to units that wait for nothing, again and again.
 */
function mayBeInRing(edges: readonly WaitEdge[]): readonly WaitEdge[] {
  const waiting = new Set(edges.map(({ from }) => from.id));
  let left = edges.filter(({ to }) => waiting.has(to.id));
  for (const [near, far] of [
    ["from", "to"],
    ["to", "from"],
  ] as const) {
    const behind = groupBy(left, (edge) => edge[far].id);
    const count = new Map([...groupBy(left, (edge) => edge[near].id)].map(([id, own]) => [id, own.length]));
    const gone = new Set<WaitEdge>();
    const queue = [...behind.keys()].filter((id) => !count.has(id));
    for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
      for (const edge of behind.get(id) ?? []) {
        gone.add(edge);
        const rest = (count.get(edge[near].id) ?? 0) - 1;
        count.set(edge[near].id, rest);
        if (rest === 0) queue.push(edge[near].id);
      }
    }
    left = left.filter((edge) => !gone.has(edge));
  }
  return left;
}

function isOld({ seconds }: WaitEdge): boolean {
  return seconds >= DEADLOCK_SECONDS;
}

/** A shortest way back to the start of an edge, breadth first. */
function ringThrough(
  first: WaitEdge,
  outgoing: ReadonlyMap<string, readonly WaitEdge[]>,
): WaitEdge[] | undefined {
  if (first.to.id === first.from.id) return [first];
  const cameBy = new Map<string, WaitEdge>([[first.to.id, first]]);
  const queue = [first.to.id];
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    for (const edge of outgoing.get(node) ?? []) {
      if (!isOld(edge)) continue;
      if (edge.to.id === first.from.id) return wayTo(edge, first, cameBy);
      if (cameBy.has(edge.to.id)) continue;
      cameBy.set(edge.to.id, edge);
      queue.push(edge.to.id);
    }
  }
  return undefined;
}

function wayTo(last: WaitEdge, first: WaitEdge, cameBy: ReadonlyMap<string, WaitEdge>): WaitEdge[] {
  const ring = [last];
  for (let edge: WaitEdge | undefined = last; edge !== undefined && edge !== first;) {
    edge = cameBy.get(edge.from.id);
    if (edge !== undefined) ring.unshift(edge);
  }
  return ring;
}

function serviceOf(topic: string): string {
  return topic.slice(0, Math.max(0, topic.indexOf(".")));
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

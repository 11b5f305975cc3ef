import { stronglyConnected } from "./components.js";
import type { Csr } from "./csr.js";

/** The result for a node. */
export const STAYED = 0;
/** A group that the node needs has no members any more. */
export const LOST_NEED = 1;
/** No remaining unit requests the node any more. */
export const ORPHANED = 2;

/** Nodes that stay as long as other nodes request them and their needs are met. */
export interface SupportGraph {
  /** Node → nodes that it requests; called only before the removal of a node. */
  readonly asks: () => Csr;
  /** Nodes that are present at the start. All of them can be reached from held ones. */
  readonly included: Uint8Array;
  /** Nodes that a root requests. */
  readonly held: Uint8Array;
  /** Group → nodes that need a present member of it. */
  readonly needers: Csr;
  /** Node → groups of which it is a member. */
  readonly groups: Csr;
  /** Groups that never become empty. */
  readonly inexhaustible: Uint8Array;
  /** Nodes whose needs do not count. */
  readonly exempt: Uint8Array;
}

export interface Dropped {
  /** {@link STAYED}, {@link LOST_NEED} or {@link ORPHANED}. */
  readonly fate: Uint8Array;
  /** When a node was removed, from 1; see {@link dropUnsupported}. */
  readonly level: Int32Array;
  /** When a group became empty: 0 at the start; -1 if it did not. */
  readonly groupLevel: Int32Array;
}

/**
 * Removes units that have lost a need, and then units that no other unit requests, until none is left to remove. The
 * rest is the greatest set that is closed under both, whatever the order of work (docs/design/planning.md §5.1).
 *
 * Levels distinguish causes: a node that lost a need has a higher level than the last member of the group it needed.
 * The levels are those of simultaneous passes: first all lost needs, then all orphans at once, and so on.
 *
 * Counters find lost needs. Orphans are harder to find, because nodes may request each other in a ring. For each
 * component of `asks`, a counter gives the support from outside. Inside a component each node has one parent that
 * supports it, as in a tree. It checks only the subtrees that have lost their support again. The work is linear,
 * except for subtrees inside one component that lose one support after another. (The general problem is that of Büchi
 * games.)
 */
export function dropUnsupported(graph: SupportGraph): Dropped {
  return new Dropper(graph).run();
}

const FROM_OUTSIDE = -1;
const ADRIFT = -2;

class Dropper {
  readonly #graph: SupportGraph;
  readonly #fate: Uint8Array;
  readonly #level: Int32Array;
  readonly #groupLevel: Int32Array;
  readonly #members: Uint32Array;
  /** Removed nodes whose groups it still has to count down, first in first out. */
  readonly #lost: number[] = [];
  #lostDone = 0;
  /** How many of {@link Dropper.#lost} have had their support withdrawn. */
  #withdrawn = 0;
  #lastLevel = 0;

  constructor(graph: SupportGraph) {
    const nodeCount = graph.included.length;
    this.#graph = graph;
    this.#fate = new Uint8Array(nodeCount);
    this.#level = new Int32Array(nodeCount);
    this.#groupLevel = new Int32Array(graph.needers.rowCount).fill(-1);
    this.#members = countMembers(graph);
  }

  run(): Dropped {
    for (let group = 0; group < this.#members.length; group++) {
      if (this.#members[group] === 0) this.#runOut(group, 0);
    }
    if (this.#lost.length > 0) this.#settle();
    return { fate: this.#fate, level: this.#level, groupLevel: this.#groupLevel };
  }

  #settle(): void {
    const support = new Support(this.#graph, this.#fate);
    while (this.#lostDone < this.#lost.length) {
      this.#drain();
      this.#lastLevel += 1;
      let gone = this.#lost.slice(this.#withdrawn);
      while (gone.length > 0) {
        gone = support.withdraw(gone);
        for (const orphan of gone) this.#remove(orphan, ORPHANED, this.#lastLevel);
      }
      this.#withdrawn = this.#lost.length;
    }
  }

  #drain(): void {
    for (; this.#lostDone < this.#lost.length; this.#lostDone++) {
      const node = this.#lost[this.#lostDone] ?? 0;
      const { groups } = this.#graph;
      for (let e = groups.start(node); e < groups.end(node); e++) {
        const group = groups.item(e);
        const left = (this.#members[group] ?? 0) - 1;
        this.#members[group] = left;
        if (left === 0) this.#runOut(group, this.#level[node] ?? 0);
      }
    }
  }

  #runOut(group: number, level: number): void {
    const { needers, included, exempt, inexhaustible } = this.#graph;
    if (inexhaustible[group] === 1) return;
    this.#groupLevel[group] = level;
    for (let e = needers.start(group); e < needers.end(group); e++) {
      const node = needers.item(e);
      const counts = included[node] === 1 && exempt[node] === 0 && this.#fate[node] === STAYED;
      if (counts) this.#remove(node, LOST_NEED, level + 1);
    }
  }

  #remove(node: number, fate: number, level: number): void {
    this.#fate[node] = fate;
    this.#level[node] = level;
    this.#lastLevel = level;
    this.#lost.push(node);
  }
}

function countMembers({ included, groups, needers }: SupportGraph): Uint32Array {
  const members = new Uint32Array(needers.rowCount);
  for (let node = 0; node < groups.rowCount; node++) {
    if (included[node] !== 1) continue;
    for (let e = groups.start(node); e < groups.end(node); e++) {
      const group = groups.item(e);
      members[group] = (members[group] ?? 0) + 1;
    }
  }
  return members;
}

/** For each node, the nodes that it keeps: see {@link dropUnsupported}. */
class Support {
  readonly #asks: Csr;
  readonly #askers: Csr;
  readonly #fate: Uint8Array;
  readonly #included: Uint8Array;
  readonly #component: Uint32Array;
  /** Node → present askers outside of its component, plus one if it is held. */
  readonly #outside: Uint32Array;
  /** Node → its parent in its component, {@link FROM_OUTSIDE}, or {@link ADRIFT}. */
  readonly #parent: Int32Array;

  constructor({ asks: asksOf, included, held }: SupportGraph, fate: Uint8Array) {
    const nodeCount = included.length;
    const asks = asksOf();
    this.#asks = asks;
    this.#askers = asks.reversed(nodeCount);
    this.#fate = fate;
    this.#included = included;
    this.#component = stronglyConnected(asks, included).of;
    this.#outside = Uint32Array.from(held);
    this.#parent = new Int32Array(nodeCount).fill(ADRIFT);
    const all: number[] = [];
    for (let node = 0; node < nodeCount; node++) {
      if (included[node] !== 1) continue;
      all.push(node);
      for (let e = asks.start(node); e < asks.end(node); e++) this.#countOutside(node, asks.item(e), 1);
    }
    // Nodes that were removed earlier still give support, until they are withdrawn.
    this.#attach(all, () => true);
  }

  /**
   * Removes the support of removed nodes.
   * @returns the present nodes that have no support any more, in ascending order
   */
  withdraw(gone: readonly number[]): number[] {
    const suspects: number[] = [];
    for (const node of gone) {
      for (let e = this.#asks.start(node); e < this.#asks.end(node); e++) {
        const target = this.#asks.item(e);
        this.#countOutside(node, target, -1);
        if (this.#fate[target] === STAYED && this.#lostParent(node, target))
          this.#setAdrift(target, suspects);
      }
    }
    this.#addSubtrees(suspects);
    this.#attach(suspects, (node) => this.#fate[node] === STAYED);
    return suspects.filter((node) => this.#parent[node] === ADRIFT).sort((a, b) => a - b);
  }

  #countOutside(asker: number, target: number, by: 1 | -1): void {
    if (this.#component[asker] === this.#component[target]) return;
    this.#outside[target] = (this.#outside[target] ?? 0) + by;
  }

  #lostParent(gone: number, target: number): boolean {
    const parent = this.#parent[target];
    return parent === gone || (parent === FROM_OUTSIDE && this.#outside[target] === 0);
  }

  #setAdrift(node: number, suspects: number[]): void {
    this.#parent[node] = ADRIFT;
    suspects.push(node);
  }

  /** Dependents of a suspect are suspects too. The iterator also visits elements added during the loop. */
  #addSubtrees(suspects: number[]): void {
    for (const node of suspects) {
      for (let e = this.#asks.start(node); e < this.#asks.end(node); e++) {
        const target = this.#asks.item(e);
        const hangs = this.#parent[target] === node && this.#fate[target] === STAYED;
        if (hangs) this.#setAdrift(target, suspects);
      }
    }
  }

  /** Attaches unsupported nodes where there is support, and then further unsupported nodes to those. */
  #attach(adrift: readonly number[], supports: (node: number) => boolean): void {
    const queue: number[] = [];
    for (const node of adrift) {
      this.#parent[node] = (this.#outside[node] ?? 0) > 0 ? FROM_OUTSIDE : this.#supporter(node, supports);
      if (this.#parent[node] !== ADRIFT) queue.push(node);
    }
    for (const node of queue) {
      for (let e = this.#asks.start(node); e < this.#asks.end(node); e++) {
        const target = this.#asks.item(e);
        const waits =
          this.#parent[target] === ADRIFT &&
          supports(target) &&
          this.#included[target] === 1 &&
          this.#component[target] === this.#component[node];
        if (!waits) continue;
        this.#parent[target] = node;
        queue.push(target);
      }
    }
  }

  /** A present asker of the same component that is itself supported. */
  #supporter(node: number, supports: (node: number) => boolean): number {
    for (let e = this.#askers.start(node); e < this.#askers.end(node); e++) {
      const asker = this.#askers.item(e);
      const safe =
        this.#parent[asker] !== ADRIFT &&
        supports(asker) &&
        this.#included[asker] === 1 &&
        this.#component[asker] === this.#component[node];
      if (safe) return asker;
    }
    return ADRIFT;
  }
}

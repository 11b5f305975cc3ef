import type { ComponentGraph } from "./component-graph.js";

/**
 * Edges whose removal opens a component, as pairs of its own numbers. `total` also counts edges that are not
 * listed.
 */
export interface FeedbackEdges {
  readonly edges: readonly (readonly [from: number, to: number])[];
  readonly total: number;
}

/** A component of k units that all wait for each other has k²/2 such edges. Further ones are only counted. */
const LISTED = 1000;

/**
 * A set of edges, minimal by inclusion, without which a component has no cycle
 * (docs/design/planning.md §5.3). They are the edges that lead back to an ancestor in a depth-first walk. Each
 * closes a cycle with the walk's own path. That cycle contains no other such edge. All of them are therefore necessary. Edges through
 * barriers count as the edges between units that they stand for. Linear: a barrier counts its visited units,
 * and those of them on the path.
 */
export function feedbackEdges(component: ComponentGraph): FeedbackEdges {
  return new FeedbackWalk(component).run();
}

class FeedbackWalk {
  readonly #component: ComponentGraph;
  readonly #visited: Uint8Array;
  readonly #onPath: Uint8Array;
  /** Node → next successor to look at; for a barrier the same on all paths through it. */
  readonly #next: Uint32Array;
  /** Barrier → units behind it that are on the path. */
  readonly #pathCount: Uint32Array;
  readonly #edges: [number, number][] = [];
  #total = 0;

  constructor(component: ComponentGraph) {
    const count = component.nodes.length;
    this.#component = component;
    this.#visited = new Uint8Array(count);
    this.#onPath = new Uint8Array(count);
    this.#next = Uint32Array.from({ length: count }, (_, node) => component.successors.start(node));
    this.#pathCount = new Uint32Array(count);
  }

  run(): FeedbackEdges {
    const path = [0];
    this.#enter(0);
    for (let unit = path.at(-1); unit !== undefined; unit = path.at(-1)) {
      const next = this.#nextUnvisited(unit);
      if (next === undefined) {
        this.#collect(unit);
        this.#setOnPath(unit, 0);
        path.pop();
      } else {
        this.#enter(next);
        path.push(next);
      }
    }
    return { edges: this.#edges, total: this.#total };
  }

  #enter(unit: number): void {
    this.#visited[unit] = 1;
    this.#setOnPath(unit, 1);
  }

  #setOnPath(unit: number, value: 0 | 1): void {
    this.#onPath[unit] = value;
    const { predecessors, unitCount } = this.#component;
    for (let e = predecessors.start(unit); e < predecessors.end(unit); e++) {
      const source = predecessors.item(e);
      if (source >= unitCount) {
        this.#pathCount[source] = (this.#pathCount[source] ?? 0) + (value === 1 ? 1 : -1);
      }
    }
  }

  #nextUnvisited(unit: number): number | undefined {
    const { successors, unitCount } = this.#component;
    for (let e = this.#next[unit] ?? 0; e < successors.end(unit); e++) {
      this.#next[unit] = e;
      const target = successors.item(e);
      const found = target < unitCount ? target : this.#nextBehind(target);
      if (found !== undefined && this.#visited[found] === 0) return found;
    }
    this.#next[unit] = successors.end(unit);
    return undefined;
  }

  #nextBehind(barrier: number): number | undefined {
    const { successors } = this.#component;
    for (let e = this.#next[barrier] ?? 0; e < successors.end(barrier); e++) {
      this.#next[barrier] = e;
      if (this.#visited[successors.item(e)] === 0) return successors.item(e);
    }
    this.#next[barrier] = successors.end(barrier);
    return undefined;
  }

  /**
   * Edges from a unit to its ancestors, when all units behind it have been visited. A unit may reach one ancestor in
   * several ways.
   */
  #collect(unit: number): void {
    const { successors, predecessors, unitCount } = this.#component;
    const ancestors = new Set<number>();
    for (let e = successors.start(unit); e < successors.end(unit); e++) {
      const target = successors.item(e);
      if (target < unitCount) {
        if (this.#onPath[target] === 1) ancestors.add(target);
        continue;
      }
      const itself = predecessors.row(unit).includes(target) ? 1 : 0;
      const count = (this.#pathCount[target] ?? 0) - itself;
      if (count === 0) continue;
      if (this.#edges.length + ancestors.size >= LISTED) {
        this.#total += count;
        continue;
      }
      for (const behind of successors.row(target)) {
        if (this.#onPath[behind] === 1 && behind !== unit) ancestors.add(behind);
      }
    }
    this.#total += ancestors.size;
    for (const ancestor of ancestors) {
      if (this.#edges.length < LISTED) this.#edges.push([unit, ancestor]);
    }
  }
}

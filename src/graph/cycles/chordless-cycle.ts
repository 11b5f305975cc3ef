import type { ComponentGraph } from "./component-graph.js";

/** Above this many units it does not search for a shortest cycle, because that takes a search from each of them. */
const EXHAUSTIVE_LIMIT = 2000;

/**
 * A cycle of units without chords, as its component's own numbers, from the first in load order. It is a shortest
 * cycle if the component has at most 2,000 units (docs/design/planning.md §5.3). The cycle passes through barriers,
 * and does not include them.
 */
export function chordlessCycle(component: ComponentGraph): number[] {
  const search = new CycleSearch(component);
  return fromSmallest(
    component.unitCount <= EXHAUSTIVE_LIMIT
      ? search.shortest()
      : search.withoutChords(search.through(0, Infinity)),
  );
}

function fromSmallest(cycle: readonly number[]): number[] {
  const first = cycle.indexOf(cycle.reduce((a, b) => Math.min(a, b), Infinity));
  return [...cycle.slice(first), ...cycle.slice(0, first)];
}

class CycleSearch {
  readonly #component: ComponentGraph;
  readonly #parent: Int32Array;
  readonly #distance: Uint32Array;
  /** Node → number of the last search that reached it; the same for units that lead back to the start. */
  readonly #seen: Uint32Array;
  readonly #leadsBack: Uint32Array;
  #searches = 0;

  constructor(component: ComponentGraph) {
    const count = component.nodes.length;
    this.#component = component;
    this.#parent = new Int32Array(count);
    this.#distance = new Uint32Array(count);
    this.#seen = new Uint32Array(count);
    this.#leadsBack = new Uint32Array(count);
  }

  /** Every cycle passes a unit with a choice, unless the component is a single ring. */
  shortest(): number[] {
    let best: number[] = [];
    for (let unit = 0; unit < this.#component.unitCount; unit++) {
      if (best.length === 2) break;
      if (!this.#hasChoice(unit)) continue;
      const cycle = this.through(unit, best.length === 0 ? Infinity : best.length);
      if (cycle.length > 0) best = cycle;
    }
    return best.length === 0 ? this.through(0, Infinity) : best;
  }

  /** A shortest cycle through a unit if it is shorter than the limit, else an empty cycle. Breadth first. */
  through(start: number, limit: number): number[] {
    this.#searches += 1;
    this.#markLeadingBack(start);
    this.#seen[start] = this.#searches;
    this.#distance[start] = 0;
    const queue = [start];
    for (const unit of queue) {
      if ((this.#distance[unit] ?? 0) + 1 >= limit) return [];
      if (unit !== start && this.#leadsBack[unit] === this.#searches) return this.#pathTo(unit, start);
      this.#visitSuccessors(unit, queue);
    }
    return [];
  }

  /**
   * Shortens a cycle that is a shortest one through its first unit. Its chords can only lead backwards, else there
   * would be a shorter way. The shortest chord closes a cycle without chords.
   */
  withoutChords(cycle: readonly number[]): number[] {
    const place = new Map(cycle.map((unit, position) => [unit, position]));
    const barrierPlaces = new Map<number, number[]>();
    let from = 0;
    let to = cycle.length - 1;
    for (const [position, unit] of cycle.entries()) {
      const { successors, unitCount } = this.#component;
      for (let e = successors.start(unit); e < successors.end(unit); e++) {
        const target = successors.item(e);
        const back =
          target < unitCount
            ? (place.get(target) ?? Infinity)
            : lastBefore(this.#placesBehind(target, place, barrierPlaces), position);
        if (back < position && position - back < to - from) [from, to] = [back, position];
      }
    }
    return cycle.slice(from, to + 1);
  }

  #hasChoice(unit: number): boolean {
    const { successors, unitCount } = this.#component;
    return successors.count(unit) > 1 || successors.item(successors.start(unit)) >= unitCount;
  }

  #visitSuccessors(unit: number, queue: number[]): void {
    const { successors, unitCount } = this.#component;
    const visit = (target: number): void => {
      if (this.#seen[target] === this.#searches) return;
      this.#seen[target] = this.#searches;
      this.#parent[target] = unit;
      this.#distance[target] = (this.#distance[unit] ?? 0) + 1;
      queue.push(target);
    };
    for (let e = successors.start(unit); e < successors.end(unit); e++) {
      const target = successors.item(e);
      if (target < unitCount) {
        visit(target);
      } else if (this.#seen[target] !== this.#searches) {
        // The first path to a barrier is the shortest way to all units behind it.
        this.#seen[target] = this.#searches;
        for (let b = successors.start(target); b < successors.end(target); b++) visit(successors.item(b));
      }
    }
  }

  /** No unit has an edge to itself, though a barrier may seem to make one. */
  #markLeadingBack(start: number): void {
    const { predecessors, unitCount } = this.#component;
    for (let e = predecessors.start(start); e < predecessors.end(start); e++) {
      const source = predecessors.item(e);
      if (source < unitCount) this.#leadsBack[source] = this.#searches;
      else {
        for (let b = predecessors.start(source); b < predecessors.end(source); b++) {
          this.#leadsBack[predecessors.item(b)] = this.#searches;
        }
      }
    }
  }

  #pathTo(last: number, start: number): number[] {
    const path = [last];
    for (let unit = last; unit !== start;) {
      unit = this.#parent[unit] ?? start;
      path.push(unit);
    }
    return path.reverse();
  }

  /** Positions in the cycle of the units behind a barrier, ascending. */
  #placesBehind(barrier: number, place: ReadonlyMap<number, number>, known: Map<number, number[]>): number[] {
    const found = known.get(barrier);
    if (found !== undefined) return found;
    const places = [...this.#component.successors.row(barrier)]
      .flatMap((unit) => place.get(unit) ?? [])
      .sort((a, b) => a - b);
    known.set(barrier, places);
    return places;
  }
}

/** The largest of ascending numbers below a limit, or Infinity. */
function lastBefore(ascending: readonly number[], limit: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? Infinity) < limit) low = middle + 1;
    else high = middle;
  }
  return ascending[low - 1] ?? Infinity;
}

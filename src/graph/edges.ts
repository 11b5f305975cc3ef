import type { CatalogIndex } from "./catalog-index.js";
import type { LoadOrder } from "./types.js";
import { Csr, PairList, RowList } from "./csr.js";

/** Units with something to do, and the order between them. */
export interface OrderGraph {
  /** Node → unit, ascending. Nodes from `units.length` on are barriers. */
  readonly units: Uint32Array;
  readonly nodeCount: number;
  /** Node → nodes that come later, without repeats. */
  readonly edges: Csr;
}

/**
 * The edges among planned units (docs/design/planning.md §5.2).
 *
 * A wildcard would make n² edges. A barrier node between the two sides makes n. A service that many units
 * provide, and that many units name, gets a barrier node too. A unit that is after a service which it
 * provides itself must not wait for itself. It gets edges from each other provider, without the barrier. Two
 * such units for one service would wait for each other. That is a cycle with or without the barrier. Both may
 * therefore use it.
 * @param units planned units, ascending
 * @param isReversed unit → its `before` and `after` are exchanged, as it is to be removed (docs/design/planning.md §6)
 */
export function buildEdges(index: CatalogIndex, units: Uint32Array, isReversed: Uint8Array): OrderGraph {
  const builder = new EdgeBuilder(index, units);
  const after = (unit: number): Csr => (isReversed[unit] === 1 ? index.before : index.after);
  const before = (unit: number): Csr => (isReversed[unit] === 1 ? index.after : index.before);
  builder.addNamed(after, (earlier, later) => builder.pairs.add(earlier, later));
  builder.addNamed(before, (earlier, later) => builder.pairs.add(later, earlier));
  builder.addWildcard(
    (unit) => (isReversed[unit] === 1 ? index.beforeAll : index.afterAll)[unit] === 1,
    (earlier, later) => builder.pairs.add(earlier, later),
  );
  builder.addWildcard(
    (unit) => (isReversed[unit] === 1 ? index.afterAll : index.beforeAll)[unit] === 1,
    (earlier, later) => builder.pairs.add(later, earlier),
  );
  return builder.finish();
}

/** Records that the first node comes before the second. The builder for `before` exchanges them. */
type Link = (provider: number, namer: number) => void;

/** Where providers × namers edges are more than this many times providers + namers, a barrier is cheaper. */
const BARRIER_FACTOR = 4;

/**
 * The edges among units. Some of the units go down in the order recorded at their load.
 * @param own whether their present `before` and `after` also count
 */
export function buildRecordedEdges(
  index: CatalogIndex,
  units: Uint32Array,
  isReversed: Uint8Array,
  { order, own }: { readonly order: LoadOrder; readonly own: boolean },
): OrderGraph {
  const none = new Csr(new Uint32Array(index.unitCount + 1), new Uint32Array(0));
  const builder = new EdgeBuilder(index, units);
  const sides = [
    { rows: index.after, removedRows: index.before, all: index.afterAll, removedAll: index.beforeAll },
    { rows: index.before, removedRows: index.after, all: index.beforeAll, removedAll: index.afterAll },
  ];
  for (const [i, { rows, removedRows, all, removedAll }] of sides.entries()) {
    const link: Link = (a, b) => (i === 0 ? builder.pairs.add(a, b) : builder.pairs.add(b, a));
    builder.addNamed((unit) => (isReversed[unit] !== 1 ? rows : own ? removedRows : none), link);
    builder.addWildcard(
      (unit) => (isReversed[unit] !== 1 ? all[unit] === 1 : own && removedAll[unit] === 1),
      link,
    );
  }
  builder.addOrder(order);
  return builder.finish();
}

class EdgeBuilder {
  readonly pairs = new PairList();
  readonly #index: CatalogIndex;
  readonly #units: Uint32Array;
  /** Service → nodes of planned providers. */
  readonly #providers: Csr;
  /** Service → the node that was last found to provide it; saves a search for each name. */
  readonly #lastProvider: Int32Array;
  #nodeCount: number;

  constructor(index: CatalogIndex, units: Uint32Array) {
    this.#index = index;
    this.#units = units;
    this.#nodeCount = units.length;
    this.#lastProvider = new Int32Array(index.serviceCount).fill(-1);
    const provided = new RowList();
    for (const unit of units) {
      for (let e = index.provides.start(unit); e < index.provides.end(unit); e++) {
        provided.add(index.provides.item(e));
      }
      provided.endRow();
    }
    this.#providers = provided.toCsr().reversed(index.serviceCount);
  }

  finish(): OrderGraph {
    const edges = this.pairs.toCsr(this.#nodeCount).withoutRepeats(this.#nodeCount);
    return { units: this.#units, nodeCount: this.#nodeCount, edges };
  }

  addNamed(relation: (unit: number) => Csr, link: Link): void {
    const namers = this.#countNamers(relation);
    const barriers = new Map<number, number>();
    for (let node = 0; node < this.#units.length; node++) {
      const unit = this.#units[node] ?? 0;
      const rows = relation(unit);
      this.#markProvided(node, unit);
      for (let e = rows.start(unit), end = rows.end(unit); e < end; e++) {
        const service = rows.items[e] ?? 0;
        const own = namers.selfCount[service] === 1 && this.#lastProvider[service] === node;
        if (own || !this.#wantsBarrier(service, namers.count[service] ?? 0)) {
          this.#linkEach(service, node, link);
        } else {
          link(this.#barrierOf(service, barriers, link), node);
        }
      }
    }
  }

  addWildcard(saysSo: (unit: number) => boolean, link: Link): void {
    if (!this.#units.some(saysSo)) return;
    const barrier = this.#nodeCount;
    this.#nodeCount += 1;
    for (let node = 0; node < this.#units.length; node++) {
      const unit = this.#units[node] ?? 0;
      if (saysSo(unit)) link(barrier, node);
      else link(node, barrier);
    }
  }

  /** Links units in a given order. A name in the order that is no unit becomes a node of its own. */
  addOrder({ nodes, offsets, targets }: LoadOrder): void {
    const nodeOf = new Map<string, number>();
    for (const [node, unit] of this.#units.entries()) nodeOf.set(this.#index.units[unit]?.name ?? "", node);
    const place = nodes.map((name) => nodeOf.get(name) ?? this.#nodeCount++);
    for (let node = 0; node < nodes.length; node++) {
      for (let e = offsets[node] ?? 0; e < (offsets[node + 1] ?? 0); e++) {
        this.pairs.add(place[node] ?? 0, place[targets[e] ?? 0] ?? 0);
      }
    }
  }

  #countNamers(relation: (unit: number) => Csr): { count: Uint32Array; selfCount: Uint32Array } {
    const count = new Uint32Array(this.#index.serviceCount);
    const selfCount = new Uint32Array(this.#index.serviceCount);
    for (let node = 0; node < this.#units.length; node++) {
      const unit = this.#units[node] ?? 0;
      const rows = relation(unit);
      this.#markProvided(node, unit);
      for (let e = rows.start(unit), end = rows.end(unit); e < end; e++) {
        const service = rows.items[e] ?? 0;
        count[service] = (count[service] ?? 0) + 1;
        if (this.#lastProvider[service] === node) selfCount[service] = (selfCount[service] ?? 0) + 1;
      }
    }
    return { count, selfCount };
  }

  #markProvided(node: number, unit: number): void {
    const { offsets, items } = this.#index.provides;
    for (let e = offsets[unit] ?? 0, end = offsets[unit + 1] ?? 0; e < end; e++) {
      this.#lastProvider[items[e] ?? 0] = node;
    }
  }

  #wantsBarrier(service: number, namerCount: number): boolean {
    const providerCount = this.#providers.count(service);
    return providerCount * namerCount > BARRIER_FACTOR * (providerCount + namerCount);
  }

  #barrierOf(service: number, barriers: Map<number, number>, link: Link): number {
    const known = barriers.get(service);
    if (known !== undefined) return known;
    const barrier = this.#nodeCount;
    this.#nodeCount += 1;
    barriers.set(service, barrier);
    this.#linkEach(service, barrier, link);
    return barrier;
  }

  #linkEach(service: number, node: number, link: Link): void {
    for (let e = this.#providers.start(service); e < this.#providers.end(service); e++) {
      const provider = this.#providers.item(e);
      if (provider !== node) link(provider, node);
    }
  }
}

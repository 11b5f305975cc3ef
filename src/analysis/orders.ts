import { dagOf, type RecordedPlan } from "./record.js";

/** The order of the units of a recorded plan, directly or through others; more relations can be added. */
export class Orders {
  readonly #stepOf: ReadonlyMap<string, number>;
  readonly #names: readonly string[];
  /** Node → nodes that come right before it. */
  readonly #before: readonly (readonly number[])[];
  /** Node → nodes that come right after it. */
  readonly #next: number[][];

  constructor(plan: RecordedPlan) {
    this.#stepOf = new Map(plan.steps.map(({ unit }, step) => [unit, step]));
    this.#names = plan.steps.map(({ unit }) => unit);
    this.#before = [...plan.steps.map(({ after }) => after), ...plan.barriers];
    const { nodeCount, offsets, targets } = dagOf(plan);
    this.#next = Array.from({ length: nodeCount }, (_, node) => [
      ...targets.subarray(offsets[node], offsets[node + 1]),
    ]);
  }

  /** Whether relations put one of the two before the other. */
  hasEither(some: string, other: string): boolean {
    return this.has(some, other) || this.has(other, some);
  }

  /** Whether one comes right before the other by a relation of its own. */
  hasEdge(earlier: string, later: string): boolean {
    const from = this.#stepOf.get(earlier);
    const to = this.#stepOf.get(later);
    return from !== undefined && to !== undefined && this.#next[from]?.includes(to) === true;
  }

  has(earlier: string, later: string): boolean {
    const from = this.#stepOf.get(earlier);
    const to = this.#stepOf.get(later);
    if (from === undefined || to === undefined) return false;
    const reached = new Set([from]);
    // The loop adds to the set that it iterates over.
    for (const node of reached) {
      for (const next of this.#next[node] ?? []) {
        if (next === to) return true;
        reached.add(next);
      }
    }
    return false;
  }

  /** A unit and all that the plan has before it, in canonical order. */
  upTo(unit: string): string[] {
    const step = this.#stepOf.get(unit);
    const reached = new Set(step === undefined ? [] : [step]);
    // The loop adds to the set that it iterates over.
    for (const node of reached) for (const before of this.#before[node] ?? []) reached.add(before);
    return this.#names.filter((_, each) => reached.has(each));
  }

  /**
   * Puts one unit before the other.
   * @returns false if the other comes before it, which leaves the order unchanged
   */
  add(earlier: string, later: string): boolean {
    if (this.has(later, earlier)) return false;
    const from = this.#stepOf.get(earlier);
    const to = this.#stepOf.get(later);
    if (from !== undefined && to !== undefined) this.#next[from]?.push(to);
    return true;
  }
}

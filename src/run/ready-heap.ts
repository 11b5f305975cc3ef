/**
 * The ready steps of a run: the one with the greatest weight comes out first, of equals the one with the lowest number,
 * which is the first in canonical order. A binary heap over numbers, so that 200,000 ready steps cost no objects. A replay
 * keeps its running steps in one too, with the least time of their end first.
 */
export class ReadyHeap {
  readonly #weights: Float64Array;
  readonly #items: number[] = [];
  readonly #sign: 1 | -1;

  /** @param weights of each step, by its number; that of a step must not change while it is in the heap */
  constructor(weights: Float64Array, first: "greatest" | "least" = "greatest") {
    this.#weights = weights;
    this.#sign = first === "greatest" ? 1 : -1;
  }

  get size(): number {
    return this.#items.length;
  }

  push(step: number): void {
    const items = this.#items;
    let at = items.length;
    items.push(step);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = items[up];
      if (parent === undefined || !this.#precedes(step, parent)) break;
      items[at] = parent;
      at = up;
    }
    items[at] = step;
  }

  /** Takes out the first, or returns undefined if there is none. */
  pop(): number | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (items.length > 0 && last !== undefined) this.#sink(last);
    return first;
  }

  /** Puts a step in the place of the first and lets it sink to where it belongs. */
  #sink(step: number): void {
    const items = this.#items;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const leftItem = items[left];
      if (leftItem === undefined) break;
      const rightItem = items[left + 1];
      const goRight = rightItem !== undefined && this.#precedes(rightItem, leftItem);
      const child = goRight ? rightItem : leftItem;
      if (!this.#precedes(child, step)) break;
      items[at] = child;
      at = goRight ? left + 1 : left;
    }
    items[at] = step;
  }

  #precedes(a: number, b: number): boolean {
    const difference = this.#sign * ((this.#weights[a] ?? 0) - (this.#weights[b] ?? 0));
    return difference > 0 || (difference === 0 && a < b);
  }
}

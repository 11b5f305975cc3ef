/**
 * A binary heap of integers: the first in the order comes out first. It keeps only numbers, so that 200,000 ready
 * steps need no objects.
 */
export class Heap {
  readonly #precedes: (a: number, b: number) => boolean;
  readonly #items: number[] = [];

  /** @param precedes a strict order; the order of two items must not change while they are in the heap */
  constructor(precedes: (a: number, b: number) => boolean) {
    this.#precedes = precedes;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: number): void {
    const items = this.#items;
    let place = items.push(item) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = items[parent];
      if (above === undefined || !this.#precedes(item, above)) break;
      items[place] = above;
      place = parent;
    }
    items[place] = item;
  }

  /** Takes out the first, or returns undefined if there is none. */
  pop(): number | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (items.length > 0 && last !== undefined) this.#sink(last);
    return first;
  }

  /** Puts an item in the place of the first and moves it down to its place. */
  #sink(item: number): void {
    const items = this.#items;
    let place = 0;
    for (;;) {
      const left = 2 * place + 1;
      const leftItem = items[left];
      if (leftItem === undefined) break;
      const rightItem = items[left + 1];
      const isRight = rightItem !== undefined && this.#precedes(rightItem, leftItem);
      const child = isRight ? rightItem : leftItem;
      if (!this.#precedes(child, item)) break;
      items[place] = child;
      place = isRight ? left + 1 : left;
    }
    items[place] = item;
  }
}

/** The order of a heap by the weights of its items: greatest first; of equal weights the lowest number first. */
export function greatestFirst(weights: Float64Array): (a: number, b: number) => boolean {
  return (a, b) => {
    const difference = (weights[a] ?? 0) - (weights[b] ?? 0);
    return difference > 0 || (difference === 0 && a < b);
  };
}

/** As {@link greatestFirst}, the least first. */
export function leastFirst(weights: Float64Array): (a: number, b: number) => boolean {
  return (a, b) => {
    const difference = (weights[a] ?? 0) - (weights[b] ?? 0);
    return difference < 0 || (difference === 0 && a < b);
  };
}

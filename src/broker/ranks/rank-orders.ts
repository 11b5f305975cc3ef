import type { Call } from "../builtin-service.js";

/** The orders of rank 0 to other ranks, in this sequence. */
export type RankOrder = "init" | "shutdown";

/** Rank 0's orders to the other ranks. A rank that comes later gets the earlier orders. */
export class RankOrders {
  readonly #given: RankOrder[] = [];
  readonly #streams = new Map<Call, () => void>();

  /** Gives an order, once. */
  give(order: RankOrder): void {
    if (this.#given.includes(order)) return;
    this.#given.push(order);
    for (const call of this.#streams.keys()) call.respond({ order });
  }

  /** @returns a function that ends this */
  follow(call: Call): () => void {
    for (const order of this.#given) call.respond({ order });
    const stop = (): void => void this.#streams.delete(call);
    this.#streams.set(call, stop);
    return stop;
  }
}

import { Fifo } from "../../../messages/index.js";

interface Waiting {
  readonly after: number;
  readonly deliver: () => void;
}

/**
 * Holds messages of ranks until the events have come that their sender had received before. Events may come later,
 * because they take another connection. Messages of one sender keep their order.
 */
export class AfterEvents {
  readonly #waiting = new Map<number, Fifo<Waiting>>();

  /**
   * @param seq the newest event that has come
   * @param after the newest event that must come first
   */
  add(from: number, seq: number, { after, deliver }: Waiting): void {
    const queue = this.#waiting.get(from);
    if (queue !== undefined) queue.push({ after, deliver });
    else if (after <= seq) deliver();
    else {
      const fresh = new Fifo<Waiting>();
      fresh.push({ after, deliver });
      this.#waiting.set(from, fresh);
    }
  }

  /** An event has come. */
  arrived(seq: number): void {
    if (this.#waiting.size === 0) return;
    for (const [from, queue] of [...this.#waiting]) {
      for (let next = queue.peek(); next !== undefined && next.after <= seq; next = queue.peek()) {
        queue.shift();
        next.deliver();
      }
      if (queue.size === 0) this.#waiting.delete(from);
    }
  }

  clear(): void {
    this.#waiting.clear();
  }
}

import { type EventMessage, Fifo, type Message } from "../../../messages/index.js";
import { sizeOf } from "../event-batch.js";
import { batchMessage, eventFrame } from "../overlay-wire.js";

/** The limit of the kept newest events. */
const KEPT_BYTES = 16 * 1024 * 1024;

interface Kept {
  readonly event: EventMessage;
  readonly origin: number;
}

/** The newest events that this rank has received, for another leader that may have received less. */
export class RecentEvents {
  readonly #kept = new Fifo<Kept>();
  #bytes = 0;

  add(event: EventMessage, origin: number): void {
    this.#kept.push({ event, origin });
    this.#bytes += sizeOf(event);
    while (this.#bytes > KEPT_BYTES && this.#kept.size > 1) this.#drop();
  }

  /**
   * The events after a number, in the form in which rank 0 sends them.
   * @returns undefined if this rank no longer keeps some of them
   */
  since(seq: number): Message[] | undefined {
    const first = this.#kept.peek()?.event.seq;
    if (first === undefined || first > seq + 1) return undefined;
    return [...this.#kept]
      .filter(({ event }) => event.seq > seq)
      .map(({ event, origin }) => batchMessage(origin, [eventFrame(event)]));
  }

  /** Drops all kept events, because the next event does not follow them directly. */
  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  #drop(): void {
    const dropped = this.#kept.shift();
    if (dropped !== undefined) this.#bytes -= sizeOf(dropped.event);
  }
}

import type { EventMessage } from "../../../messages/index.js";
import { sizeOf } from "../event-batch.js";

/** The limit of kept early events. */
const AHEAD_BYTES = 16 * 1024 * 1024;

interface Early {
  readonly event: EventMessage;
  readonly origin: number;
  readonly bytes: number;
}

/** The outcome of an event: delivered, already known, or kept until its turn. */
export type Arrived = "delivered" | "known" | "early";

/**
 * Puts the events of an instance into their order, each once, even if they come in several ways or several times
 * (docs/design/hosts.md §3).
 */
export class EventOrder {
  readonly #deliver: (event: EventMessage, origin: number) => void;
  readonly #early = new Map<number, Early>();
  #earlyBytes = 0;
  #seq: number;

  /** @param seq the number of the last event before the first one to deliver */
  constructor(seq: number, deliver: (event: EventMessage, origin: number) => void) {
    this.#seq = seq;
    this.#deliver = deliver;
  }

  /** The newest event that was delivered. */
  get seq(): number {
    return this.#seq;
  }

  /** Whether events have come that wait for earlier ones. */
  get hasHole(): boolean {
    return this.#early.size > 0;
  }

  add(event: EventMessage, origin: number): Arrived {
    if (event.seq <= this.#seq) return "known";
    if (event.seq > this.#seq + 1) {
      this.#keep(event, origin);
      return "early";
    }
    this.#next(event, origin);
    if (this.hasHole) this.#deliverEarly();
    return "delivered";
  }

  /** Goes on after an event that is newer than those delivered. */
  skipTo(seq: number): void {
    this.#seq = seq;
    this.#deliverEarly();
  }

  #deliverEarly(): void {
    for (;;) {
      const next = this.#take(this.#seq + 1);
      if (next === undefined) break;
      this.#next(next.event, next.origin);
    }
    // These events came by another connection meanwhile.
    for (const seq of [...this.#early.keys()]) if (seq <= this.#seq) this.#take(seq);
  }

  #next(event: EventMessage, origin: number): void {
    this.#seq = event.seq;
    this.#deliver(event, origin);
  }

  /** A dropped event counts as missing. This rank requests it again. */
  #keep(event: EventMessage, origin: number): void {
    const bytes = sizeOf(event);
    if (this.#early.has(event.seq) || this.#earlyBytes + bytes > AHEAD_BYTES) return;
    this.#early.set(event.seq, { event, origin, bytes });
    this.#earlyBytes += bytes;
  }

  #take(seq: number): Early | undefined {
    const early = this.#early.get(seq);
    if (early === undefined) return undefined;
    this.#early.delete(seq);
    this.#earlyBytes -= early.bytes;
    return early;
  }
}

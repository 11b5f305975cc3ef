import { requestError } from "../../../errors/index.js";
import type { EventMessage, Message } from "../../../messages/index.js";
import { EventBatch } from "../event-batch.js";
import { EventRing } from "./event-ring.js";

/** The limit of events repeated at once. */
const REPEAT_BYTES = 4 * 1024 * 1024;

export interface NumberedEventsOptions {
  /** Called right before each number, so that never two leaders number events. */
  readonly mayNumber: () => boolean;
  /**
   * Sends events to all ranks.
   * @param first the number of the first event
   */
  readonly send: (batch: Message, first: number) => void;
  /** Delivers an event to this rank. */
  readonly deliver: (event: EventMessage) => void;
  /** How many bytes of the newest events rank 0 keeps; called each time. */
  readonly keptBytes: () => number;
}

/**
 * Rank 0's order of the events: gives each its number, sends it out, and keeps the newest for ranks that miss some.
 */
export class NumberedEvents {
  readonly #options: NumberedEventsOptions;
  readonly #batch: EventBatch;
  /** The newest events, for ranks that have missed some or that come back. */
  #ring: EventRing;
  #seq = 0;

  constructor(options: NumberedEventsOptions) {
    this.#options = options;
    this.#ring = new EventRing(0, options.keptBytes);
    this.#batch = new EventBatch((batch, first) => {
      this.#ring.add(batch, this.#seq);
      options.send(batch, first);
    });
  }

  /** The number of the newest event. */
  get seq(): number {
    return this.#seq;
  }

  /** Whether an event may get a number now. */
  get mayNumber(): boolean {
    return this.#options.mayNumber();
  }

  /** Continues after the events of another leader, the newest of which are in the ring. */
  resume(seq: number, ring: EventRing): void {
    this.#seq = seq;
    this.#ring = ring;
  }

  /**
   * Gives an event its place in the order.
   * @param origin the rank that has published the event
   * @returns its number
   * @throws SluiceError `EHOSTUNREACH` while another broker may lead, `EMSGSIZE` if it cannot be sent
   */
  number(event: EventMessage, origin: number): number {
    if (!this.mayNumber) throw requestError("EHOSTUNREACH", "another broker may lead as rank 0");
    const sequenced = { ...event, seq: this.#seq + 1 };
    this.#batch.add(origin, sequenced);
    this.#seq += 1;
    this.#options.deliver(sequenced);
    return sequenced.seq;
  }

  /** Some of the events after one, oldest first; undefined if rank 0 no longer keeps all of them. */
  since(seq: number): readonly Message[] | undefined {
    this.flush();
    return this.#ring.since(seq, REPEAT_BYTES);
  }

  /** Sends the current batch, before any message that must not overtake it. */
  flush(): void {
    this.#batch.flush();
  }

  /** Drops events that it has not sent yet. */
  clear(): void {
    this.#batch.clear();
  }
}

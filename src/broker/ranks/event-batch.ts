import type { EventMessage, Message } from "../../messages/index.js";
import { batchMessage, eventFrame } from "./overlay-wire.js";

/** A batch is no larger than this, unless a single event is. */
const BATCH_BYTES = 256 * 1024;

/** The size of a kept event without its payload. */
const EVENT_BYTES = 256;

/**
 * Joins the events of one turn of the loop to one message. It encodes each event once, for any number of receiving
 * ranks. A thousand small events cost little more than one.
 */
export class EventBatch {
  readonly #send: (batch: Message, first: number) => void;
  #origin = 0;
  #first = 0;
  #frames: Buffer[] = [];
  #bytes = 0;
  #isScheduled = false;

  /** @param send also gets the number of the first event */
  constructor(send: (batch: Message, first: number) => void) {
    this.#send = send;
  }

  /**
   * @param origin the rank that has published the event
   * @throws SluiceError `EMSGSIZE` if the event cannot be sent; nothing is changed then
   */
  add(origin: number, event: EventMessage): void {
    const frame = eventFrame(event);
    if (origin !== this.#origin || this.#bytes + frame.length > BATCH_BYTES) this.flush();
    if (this.#frames.length === 0) this.#first = event.seq;
    this.#origin = origin;
    this.#frames.push(frame);
    this.#bytes += frame.length;
    this.#schedule();
  }

  /** Sends the current batch, before any message that must not overtake it. */
  flush(): void {
    if (this.#frames.length === 0) return;
    const batch = batchMessage(this.#origin, this.#frames);
    this.#frames = [];
    this.#bytes = 0;
    this.#send(batch, this.#first);
  }

  /** Drops the current batch. */
  clear(): void {
    this.#frames = [];
    this.#bytes = 0;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }
}

/** The approximate size of a kept event, in bytes. */
export function sizeOf({ payload }: EventMessage): number {
  return EVENT_BYTES + (payload?.length ?? 0);
}

import type { EventMessage, Message } from "../../../messages/index.js";
import { batchMessage, eventFrame } from "../overlay-wire.js";

/** So much of the newest events is kept. */
const KEPT_BYTES = 16 * 1024 * 1024;

/** What an event takes beside its payload. */
const EVENT_BYTES = 256;

interface Kept {
  readonly event: EventMessage;
  readonly origin: number;
}

/** The newest events that this rank has received: another leader may have received less. */
export class RecentEvents {
  #kept: Kept[] = [];
  #head = 0;
  #bytes = 0;

  add(event: EventMessage, origin: number): void {
    this.#kept.push({ event, origin });
    this.#bytes += sizeOf(event);
    while (this.#bytes > KEPT_BYTES && this.#head < this.#kept.length - 1) this.#drop();
    if (this.#head * 2 < this.#kept.length || this.#head < 1024) return;
    this.#kept = this.#kept.slice(this.#head);
    this.#head = 0;
  }

  /**
   * Those after one, each as a message of rank 0.
   * @returns undefined if not all are kept
   */
  since(seq: number): Message[] | undefined {
    const kept = this.#kept.slice(this.#head);
    const first = kept[0]?.event.seq;
    if (first === undefined || first > seq + 1) return undefined;
    return kept
      .filter(({ event }) => event.seq > seq)
      .map(({ event, origin }) => batchMessage(origin, [eventFrame(event)]));
  }

  #drop(): void {
    const dropped = this.#kept[this.#head];
    if (dropped === undefined) return;
    this.#bytes -= sizeOf(dropped.event);
    this.#head += 1;
  }
}

function sizeOf({ payload }: EventMessage): number {
  return EVENT_BYTES + (payload?.length ?? 0);
}

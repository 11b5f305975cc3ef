import { Fifo, type Message } from "../../../messages/index.js";

/** The default size of the kept events (docs/design/hosts.md §3). */
export const RING_BYTES = 64 * 1024 * 1024;

/** The size of an entry without its payload. */
const ENTRY_BYTES = 256;

interface Entry {
  readonly last: number;
  readonly batch: Message;
  readonly bytes: number;
}

/** The newest events of an instance, kept by rank 0 for ranks that have missed some. */
export class EventRing {
  readonly #limitBytes: () => number;
  readonly #entries = new Fifo<Entry>();
  #bytes = 0;
  /** The ring keeps the events after this one. */
  #before: number;

  /**
   * @param seq the number of the last event before the first one added
   * @param limitBytes how many bytes the ring keeps; called each time
   */
  constructor(seq: number, limitBytes: () => number) {
    this.#before = seq;
    this.#limitBytes = limitBytes;
  }

  /** Adds events that follow the earlier ones. When they become too many, the oldest go, except these. */
  add(batch: Message, last: number): void {
    const { payload } = batch;
    const bytes = ENTRY_BYTES + (payload instanceof Uint8Array ? payload.length : 0);
    this.#entries.push({ last, batch, bytes });
    this.#bytes += bytes;
    const limitBytes = this.#limitBytes();
    while (this.#bytes > limitBytes && this.#entries.size > 1) this.#drop();
  }

  /**
   * The batches with the events after one, oldest first. The first batch may also have earlier events.
   * @param limitBytes the number of bytes after which it returns no more batches
   * @returns undefined if the ring no longer keeps some of them
   */
  since(seq: number, limitBytes = Infinity): Message[] | undefined {
    if (seq < this.#before) return undefined;
    const batches: Message[] = [];
    let bytes = 0;
    for (const entry of this.#entries) {
      if (entry.last <= seq) continue;
      if (bytes >= limitBytes) break;
      batches.push(entry.batch);
      bytes += entry.bytes;
    }
    return batches;
  }

  #drop(): void {
    const entry = this.#entries.shift();
    if (entry === undefined) return;
    this.#bytes -= entry.bytes;
    this.#before = entry.last;
  }
}

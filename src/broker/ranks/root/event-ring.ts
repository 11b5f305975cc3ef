import type { Message } from "../../../messages/index.js";

/** So much of the newest events is kept (docs/design/hosts.md §3). */
const RING_BYTES = 64 * 1024 * 1024;

/** What an entry takes beside its payload. */
const ENTRY_BYTES = 256;

/** Below this many dropped entries, taking them out is not worth a copy. */
const TRIM_LENGTH = 1024;

interface Entry {
  readonly last: number;
  readonly batch: Message;
  readonly bytes: number;
}

/** The newest events of an instance, kept by rank 0 for ranks that have missed some. */
export class EventRing {
  readonly #limitBytes: number;
  #entries: Entry[] = [];
  /** Those before this one are dropped. */
  #head = 0;
  #bytes = 0;
  /** Events after this one are kept. */
  #before: number;

  /** @param seq the number of the last event before the first that is added */
  constructor(seq = 0, limitBytes = RING_BYTES) {
    this.#before = seq;
    this.#limitBytes = limitBytes;
  }

  /** Adds events that follow those added before; the oldest go when it becomes too much, all but these. */
  add(batch: Message, last: number): void {
    const { payload } = batch;
    const bytes = ENTRY_BYTES + (payload instanceof Uint8Array ? payload.length : 0);
    this.#entries.push({ last, batch, bytes });
    this.#bytes += bytes;
    while (this.#bytes > this.#limitBytes && this.#head < this.#entries.length - 1) this.#drop();
    if (this.#head >= TRIM_LENGTH && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  /**
   * The batches with the events after one, oldest first; the first of them may have earlier ones too.
   * @param limitBytes no more are given after so many bytes
   * @returns undefined if not all are kept
   */
  since(seq: number, limitBytes = Infinity): Message[] | undefined {
    if (seq < this.#before) return undefined;
    let at = this.#entries.length;
    while (at > this.#head && (this.#entries[at - 1]?.last ?? seq) > seq) at -= 1;
    const batches: Message[] = [];
    let bytes = 0;
    for (const entry of this.#entries.slice(at)) {
      if (bytes >= limitBytes) break;
      batches.push(entry.batch);
      bytes += entry.bytes;
    }
    return batches;
  }

  #drop(): void {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return;
    this.#head += 1;
    this.#bytes -= entry.bytes;
    this.#before = entry.last;
  }
}

import type { JsonValue } from "../../messages/index.js";
import type { Backing, StoreSize } from "./backing.js";
import type { Batch } from "./batch.js";
import type { StoredBlob } from "./blob.js";
import { type Collected, Collector, type Sweepable } from "./collection.js";

/** Most bytes of blobs of one batch that is handed over. */
const HANDOVER_BYTES = 8 * 1024 * 1024;

/** Blobs and records in memory only, until a durable store exists. */
export class MemoryStore implements Backing, Sweepable {
  readonly #blobs = new Map<string, { readonly bytes: Uint8Array; readonly kept: boolean }>();
  readonly #records = new Map<string, JsonValue>();
  #bytes = 0;
  readonly #collector = new Collector(this);

  get isEmpty(): boolean {
    return this.#blobs.size === 0 && this.#records.size === 0;
  }

  get blobCount(): number {
    return this.#blobs.size;
  }

  commit({ blobs, records, kept = false }: Batch): Promise<void> {
    for (const { ref, bytes } of blobs) {
      this.#collector.renew(ref);
      const known = this.#blobs.get(ref);
      if (known === undefined) this.#bytes += bytes.length;
      // A copy, and not a view of the message that it came in.
      this.#blobs.set(ref, {
        bytes: known?.bytes ?? Uint8Array.from(bytes),
        kept: kept || known?.kept === true,
      });
    }
    for (const [key, value] of Object.entries(records)) this.#records.set(key, value);
    return Promise.resolve();
  }

  load(ref: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#blobs.get(ref)?.bytes);
  }

  record(key: string): Promise<JsonValue | undefined> {
    return Promise.resolve(this.#records.get(key));
  }

  records(): Iterable<JsonValue> {
    return this.#records.values();
  }

  collect(pins: readonly string[]): Promise<Collected> {
    return this.#collector.collect(pins, () => Promise.resolve());
  }

  sweep(isLive: (ref: string) => boolean): Promise<Collected> {
    const before = this.#bytes;
    for (const [ref, { bytes, kept }] of this.#blobs) {
      if (kept || isLive(ref)) continue;
      this.#blobs.delete(ref);
      this.#bytes -= bytes.length;
    }
    return Promise.resolve({ bytes: before - this.#bytes, liveBytes: this.#bytes });
  }

  size(): StoreSize {
    return { bytes: this.#bytes };
  }

  /** All its data in batches, with the records in the last one, so that no record refers to a missing blob. */
  *batches(): Generator<Batch> {
    for (const kept of [true, false]) {
      let blobs: StoredBlob[] = [];
      let bytes = 0;
      for (const [ref, blob] of this.#blobs) {
        if (blob.kept !== kept) continue;
        if (bytes + blob.bytes.length > HANDOVER_BYTES && blobs.length > 0) {
          yield { blobs, records: {}, kept };
          [blobs, bytes] = [[], 0];
        }
        blobs.push({ ref, bytes: blob.bytes });
        bytes += blob.bytes.length;
      }
      if (blobs.length > 0) yield { blobs, records: {}, kept };
    }
    if (this.#records.size > 0) yield { blobs: [], records: Object.fromEntries(this.#records) };
  }

  clear(): void {
    this.#blobs.clear();
    this.#records.clear();
    this.#bytes = 0;
  }
}

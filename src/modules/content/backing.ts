import type { JsonValue } from "../../messages/index.js";
import type { Batch } from "./batch.js";
import type { Collected } from "./collection.js";

/** How large a store is. */
export interface StoreSize {
  /** On the disk, or in memory, with all that goes with it. */
  readonly bytes: number;
  /** Size of the write-ahead log, where there is one. */
  readonly walBytes?: number;
}

/** A store of blobs and records: what a provider of `content-backing` is made of. */
export interface Backing {
  /** Resolves when neither the end of this process nor that of the machine can lose any of it. */
  commit(batch: Batch): Promise<void>;
  load(ref: string): Promise<Uint8Array | undefined>;
  /** Undefined where there is none. */
  record(key: string): Promise<JsonValue | undefined>;
  /** Takes away what no record and none of the pins reaches, while commits go on. */
  collect(pins: readonly string[]): Promise<Collected>;
  size(): StoreSize;
}

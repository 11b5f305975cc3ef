import type { JsonValue } from "../../messages/index.js";
import type { Batch } from "./batch.js";
import type { Collected } from "./collection.js";

/** The size of a store. */
export interface StoreSize {
  /** The size on the disk or in memory, including its overhead. */
  readonly bytes: number;
  /** Size of the write-ahead log, where there is one. */
  readonly walBytes?: number;
}

/** A store of blobs and records, from which a provider of `content-backing` is made. */
export interface Backing {
  /** Resolves when neither the end of this process nor an end of the machine can lose any of it. */
  commit(batch: Batch): Promise<void>;
  load(ref: string): Promise<Uint8Array | undefined>;
  /** Undefined where there is no such record. */
  record(key: string): Promise<JsonValue | undefined>;
  /** Removes blobs that neither a record nor a pin reaches, while commits continue. */
  collect(pins: readonly string[]): Promise<Collected>;
  size(): StoreSize;
}

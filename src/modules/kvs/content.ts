import { fields, type Handle, type JsonValue } from "../../messages/index.js";

/** Where blobs and checkpoints go. */
export interface Content {
  /** Resolves to the reference, when the blob is durable. */
  store(bytes: Uint8Array): Promise<string>;
  /** Rejects with `ENOENT`. */
  load(ref: string): Promise<Uint8Array>;
  /** Rejects with `ENOENT`. */
  getCheckpoint(key: string): Promise<JsonValue>;
  putCheckpoint(key: string, value: JsonValue): Promise<void>;
}

/** The service `content`, as the store uses it. */
export function contentOf(h: Handle): Content {
  return {
    store: async (bytes) => fields(await h.rpc("content.store", bytes), { ref: "string" }).ref,
    load: async (ref) => {
      const bytes = await h.rpc("content.load", { ref });
      return bytes instanceof Uint8Array ? bytes : new Uint8Array();
    },
    getCheckpoint: async (key): Promise<JsonValue> =>
      fields(await h.rpc("content.checkpoint-get", { key }), { value: "json" }).value,
    putCheckpoint: async (key, value) => {
      await h.rpc("content.checkpoint-put", { key, value });
    },
  };
}

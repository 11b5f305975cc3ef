import { isErrno, requestError } from "../../errors/index.js";
import { fields, type Handle, type JsonValue } from "../../messages/index.js";
import { type Batch, encodeBatch } from "../content/batch.js";
import type { StoredBlob } from "../content/blob.js";
import { isAway, RemoteService } from "../life/remote-service.js";

/** The most bytes of blobs in one request. */
const REQUEST_BYTES = 16 * 1024 * 1024;

/**
 * The store of blobs and records. It repeats a request that fails because `content` is absent, when `content` is
 * back.
 */
export interface Content {
  /**
   * Resolves when the whole batch is durable, to the size of the requests in bytes. Blobs that do not fit into one
   * request go before the records.
   */
  commit(batch: Batch): Promise<number>;
  /** Rejects with `EIO` for a missing or damaged blob: `ENOENT` would mean a missing key. */
  load(ref: string): Promise<Uint8Array>;
  /** Undefined where there is no such record. */
  record(key: string): Promise<JsonValue | undefined>;
  /** Resolves to the live bytes; undefined where a collection is not possible now. */
  collect(pins: readonly string[]): Promise<number | undefined>;
  /** The size of the store in bytes; undefined if it is unknown. */
  size(): Promise<number | undefined>;
}

/** The service `content` of this rank, in the form for the KVS. */
export function contentOf(h: Handle, waitMs: number): Content {
  const place = { service: "content", rank: h.rank, waitMs, waitAttribute: "content.wait" };
  const remote = new RemoteService(h, place);
  return {
    commit: async ({ blobs, ...rest }) => {
      const parts = inParts(blobs);
      const last = parts.pop() ?? [];
      let bytes = 0;
      const send = async (batch: Batch): Promise<void> => {
        const payload = encodeBatch(batch);
        await remote.call("commit", payload);
        bytes += payload.length;
      };
      for (const part of parts) await send({ blobs: part, records: {} });
      await send({ ...rest, blobs: last });
      return bytes;
    },
    load: async (ref) => {
      const bytes = await remote.call("load", { ref }).catch((error: unknown) => {
        throw isErrno(error, "ENOENT") ? requestError("EIO", `blob ${ref} is missing`, error) : error;
      });
      return bytes instanceof Uint8Array ? bytes : new Uint8Array();
    },
    record: async (key) => {
      try {
        return fields(await remote.call("checkpoint-get", { key }), { value: "json" }).value;
      } catch (error) {
        if (isErrno(error, "ENOENT")) return undefined;
        throw error;
      }
    },
    collect: (pins) =>
      unlessAway(async () => {
        const answer = await remote.once("collect", { pins: [...pins] });
        return fields(answer, { liveBytes: "integer" }).liveBytes;
      }),
    size: () =>
      unlessAway(async () => {
        const { backing } = fields(await remote.once("status"), { backing: "object?" });
        return backing === undefined ? undefined : fields(backing, { bytes: "integer" }).bytes;
      }),
  };
}

function inParts(blobs: readonly StoredBlob[]): StoredBlob[][] {
  const parts: StoredBlob[][] = [];
  let bytes = Infinity;
  for (const blob of blobs) {
    if (bytes + blob.bytes.length > REQUEST_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(blob);
    bytes += blob.bytes.length;
  }
  return parts;
}

async function unlessAway<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isAway(error)) return undefined;
    throw error;
  }
}

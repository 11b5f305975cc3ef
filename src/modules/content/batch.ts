import { requestError } from "../../errors/index.js";
import { fields, type JsonValue, type Payload } from "../../messages/index.js";
import { blobref, isBlobref, type StoredBlob } from "./blob.js";
import { parseJson } from "./json.js";

/** Named JSON values of a store: the heads and checkpoints that refer to its blobs. */
export type Records = Readonly<Record<string, JsonValue>>;

/** The data of one transaction: the store writes either all of it or nothing. */
export interface Batch {
  readonly blobs: readonly StoredBlob[];
  readonly records: Records;
  /** Whether its blobs stay even if no data refers to them, because a client keeps the references itself. */
  readonly kept?: boolean;
  /** Whether it may use the space that is reserved for the end of an instance. */
  readonly last?: boolean;
}

const LENGTH_BYTES = 4;

/**
 * The payload of `content.commit` (docs/services.md): the length of a header as a big-endian uint32, the
 * header as JSON, then the bytes of all blobs.
 */
export function encodeBatch({ blobs, records, kept, last }: Batch): Uint8Array {
  const header = Buffer.from(
    JSON.stringify({ blobs: blobs.map(({ ref, bytes }) => [ref, bytes.length]), records, kept, last }),
  );
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(header.length);
  return Buffer.concat([length, header, ...blobs.map(({ bytes }) => bytes)]);
}

/**
 * Reads a batch. Its blobs are views of the payload.
 * @throws `EPROTO` for another form
 */
export function decodeBatch(payload: Uint8Array): Batch {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const headerEnd = bytes.length < LENGTH_BYTES ? Infinity : LENGTH_BYTES + bytes.readUInt32BE(0);
  if (headerEnd > bytes.length) throw requestError("EPROTO", "the batch is shorter than its header declares");
  const header = fields(parseJson(bytes.subarray(LENGTH_BYTES, headerEnd)), {
    blobs: "array?",
    records: "object?",
    kept: "boolean?",
    last: "boolean?",
  });
  let at = headerEnd;
  const blobs = (header.blobs ?? []).map((item) => {
    const [ref, length] = entryOf(item);
    const blob = { ref, bytes: bytes.subarray(at, at + length) };
    at += length;
    return blob;
  });
  if (at !== bytes.length)
    throw requestError("EPROTO", "the blobs of the batch do not have their declared lengths");
  const { records = {}, kept = false, last = false } = header;
  return { blobs, records, kept, last };
}

/** @throws `EPROTO` if the payload is not raw bytes, or a blob has another digest than its reference */
export function batchOf(payload: Payload): Batch {
  if (!(payload instanceof Uint8Array)) throw requestError("EPROTO", "invalid batch: it must be raw bytes");
  const batch = decodeBatch(payload);
  for (const { ref, bytes } of batch.blobs) {
    if (blobref(bytes) !== ref)
      throw requestError("EPROTO", `invalid batch: its bytes for ${ref} have another digest`);
  }
  return batch;
}

function entryOf(item: JsonValue): readonly [ref: string, length: number] {
  const [ref, length] = Array.isArray(item) ? (item as readonly JsonValue[]) : [];
  const isEntry = typeof ref === "string" && isBlobref(ref) && typeof length === "number";
  if (!isEntry || !Number.isSafeInteger(length) || length < 0) {
    throw requestError("EPROTO", "invalid batch: a blob has no reference or no length");
  }
  return [ref, length];
}

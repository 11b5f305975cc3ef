import { crc32 } from "node:zlib";
import { isErrno } from "../../errors/index.js";
import { type Batch, decodeBatch, encodeBatch } from "./batch.js";

/**
 * A segment is a file of entries, one for each batch. Each entry has `SLB1`, length and check of the batch as
 * big-endian uint32, and the batch in the form of `content.commit`. The check is a CRC-32 that includes the place of
 * the entry, so that the bytes of a blob never look like an entry. Only a complete batch counts.
 */
const MAGIC = Buffer.from("SLB1");
const HEAD_BYTES = 12;

/** A batch of a segment. */
export interface SegmentEntry {
  readonly batch: Batch;
  /** Where its blobs begin. They are consecutive. */
  readonly blobsAt: number;
}

/** The content of a segment. */
export interface SegmentScan {
  readonly entries: readonly SegmentEntry[];
  /** The place after the last whole batch. */
  readonly end: number;
  /**
   * Bytes in front of it that belong to no complete batch. They are damage, because a complete batch follows them.
   */
  readonly damaged: readonly { readonly at: number; readonly bytes: number }[];
}

/** @param at the place of the entry in its segment */
export function encodeEntry(batch: Batch, at: number): Buffer {
  const body = encodeBatch(batch);
  const head = Buffer.alloc(HEAD_BYTES);
  MAGIC.copy(head);
  head.writeUInt32BE(body.length, 4);
  head.writeUInt32BE(crc32(body, at), 8);
  return Buffer.concat([head, body]);
}

/** The offset of a batch's blobs from the start of its entry. */
export function blobsOffset(entry: Uint8Array, { blobs }: Batch): number {
  return entry.length - blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/**
 * Reads all complete batches of a segment, and skips bytes that belong to no batch. It also finds the blobs of a
 * damaged batch, as far as it can separate them. The store checks each blob when it uses it.
 */
export function scanSegment(file: Buffer): SegmentScan {
  const entries: SegmentEntry[] = [];
  const damaged: { at: number; bytes: number }[] = [];
  let end = 0;
  for (let at = file.indexOf(MAGIC); at >= 0;) {
    const found = entryAt(file, at);
    if (found === undefined) {
      at = file.indexOf(MAGIC, at + 1);
      continue;
    }
    if (at > end) damaged.push({ at: end, bytes: at - end });
    if (!found.isWhole) damaged.push({ at, bytes: found.end - at });
    entries.push(found.entry);
    end = found.end;
    at = file.indexOf(MAGIC, end);
  }
  return { entries, end, damaged };
}

interface FoundEntry {
  readonly entry: SegmentEntry;
  readonly end: number;
  readonly isWhole: boolean;
}

function entryAt(file: Buffer, at: number): FoundEntry | undefined {
  const bodyAt = at + HEAD_BYTES;
  if (bodyAt > file.length) return undefined;
  const end = bodyAt + file.readUInt32BE(at + 4);
  if (end > file.length) return undefined;
  const body = file.subarray(bodyAt, end);
  const isWhole = crc32(body, at) === file.readUInt32BE(at + 8);
  const batch = isWhole ? decodeBatch(body) : blobsOf(body);
  if (batch === undefined) return undefined;
  return { entry: { batch, blobsAt: bodyAt + blobsOffset(body, batch) }, end, isWhole };
}

/** The readable part of a damaged batch. Its records may be wrong. */
function blobsOf(body: Buffer): Batch | undefined {
  try {
    return { ...decodeBatch(body), records: {} };
  } catch (error) {
    if (isErrno(error, "EPROTO") || isErrno(error, "EIO")) return undefined;
    throw error;
  }
}

import { crc32 } from "node:zlib";

/** The place of a blob in its segment. */
export interface BlobPlace {
  readonly at: number;
  readonly length: number;
  /** Whether it stays even without a reference to it. */
  readonly kept: boolean;
}

/** Size of an entry of the index file: digest, place, length, flags. */
const ENTRY_BYTES = 44;
const DIGEST_BYTES = 32;
const HEAD = Buffer.from("SLI1");
const HEAD_BYTES = HEAD.length + 4;

/**
 * The index of a segment that is complete. It is sorted by digest, and has the form of its file. A search halves it
 * repeatedly.
 */
export class BlobIndex {
  readonly #entries: Buffer;

  private constructor(entries: Buffer) {
    this.#entries = entries;
  }

  static of(places: ReadonlyMap<string, BlobPlace>): BlobIndex {
    const rows = [...places].map(([ref, { at, length, kept }]) => {
      const row = Buffer.alloc(ENTRY_BYTES);
      digestOf(ref).copy(row);
      row.writeUInt32BE(at, DIGEST_BYTES);
      row.writeUInt32BE(length, DIGEST_BYTES + 4);
      row.writeUInt32BE(kept ? 1 : 0, DIGEST_BYTES + 8);
      return row;
    });
    return new BlobIndex(Buffer.concat(rows.sort((a, b) => a.compare(b))));
  }

  /** @returns undefined if the file is damaged. The segment has the same data */
  static decode(file: Buffer): BlobIndex | undefined {
    const end = file.length - 4;
    if (end < HEAD_BYTES || !file.subarray(0, HEAD.length).equals(HEAD)) return undefined;
    if (crc32(file.subarray(0, end)) !== file.readUInt32BE(end)) return undefined;
    const entries = file.subarray(HEAD_BYTES, end);
    return entries.length === file.readUInt32BE(HEAD.length) * ENTRY_BYTES
      ? new BlobIndex(entries)
      : undefined;
  }

  encode(): Buffer {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(this.#entries.length / ENTRY_BYTES);
    const file = Buffer.concat([HEAD, count, this.#entries]);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc32(file));
    return Buffer.concat([file, check]);
  }

  get(ref: string): BlobPlace | undefined {
    const digest = digestOf(ref);
    let low = 0;
    let high = this.#entries.length / ENTRY_BYTES;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = middle * ENTRY_BYTES;
      const order = digest.compare(this.#entries, at, at + DIGEST_BYTES);
      if (order === 0) return this.#placeAt(at);
      if (order < 0) high = middle;
      else low = middle + 1;
    }
    return undefined;
  }

  *entries(): Generator<readonly [ref: string, place: BlobPlace]> {
    for (let at = 0; at < this.#entries.length; at += ENTRY_BYTES) {
      yield [`sha256-${this.#entries.toString("hex", at, at + DIGEST_BYTES)}`, this.#placeAt(at)];
    }
  }

  #placeAt(entry: number): BlobPlace {
    const at = this.#entries.readUInt32BE(entry + DIGEST_BYTES);
    const length = this.#entries.readUInt32BE(entry + DIGEST_BYTES + 4);
    return { at, length, kept: this.#entries.readUInt32BE(entry + DIGEST_BYTES + 8) === 1 };
  }
}

function digestOf(ref: string): Buffer {
  return Buffer.from(ref.slice(ref.indexOf("-") + 1), "hex");
}

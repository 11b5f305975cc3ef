import {
  closeSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { isErrno } from "../../errors/index.js";
import type { Batch, Records } from "./batch.js";
import { BlobIndex, type BlobPlace } from "./blob-index.js";
import { blobsOffset, encodeEntry, scanSegment, type SegmentScan } from "./segment-format.js";

const sync = promisify(fdatasync);

/** One file of batches. New batches only go to its end. Its contents never change. */
export class Segment {
  readonly path: string;
  readonly number: number;
  readonly #file: number;
  #places: Map<string, BlobPlace> | BlobIndex;
  #size: number;

  private constructor(path: string, number: number, file: number) {
    this.path = path;
    this.number = number;
    this.#file = file;
    this.#size = fstatSync(file).size;
    this.#places = new Map();
  }

  /** Makes a new, empty segment. */
  static create(path: string, number: number): Segment {
    return new Segment(path, number, openSync(path, "wx+", 0o600));
  }

  /** Opens an existing segment. Its blobs are known after {@link readIndex} or {@link scan}. */
  static open(path: string, number: number): Segment {
    return new Segment(path, number, openSync(path, "r+"));
  }

  get size(): number {
    return this.#size;
  }

  /** @returns whether a usable index exists */
  readIndex(): boolean {
    const index = BlobIndex.decode(readIfThere(this.#indexPath()) ?? Buffer.alloc(0));
    if (index !== undefined) this.#places = index;
    return index !== undefined;
  }

  /** Reads all of it, and keeps the places of its blobs from then on. */
  scan(): SegmentScan {
    const scanned = scanSegment(readFileSync(this.#file));
    const places = new Map<string, BlobPlace>();
    for (const { batch, blobsAt } of scanned.entries) note(places, batch, blobsAt);
    this.#places = places;
    return scanned;
  }

  /** Removes the bytes after the last whole batch. */
  cut(end: number): void {
    if (end < this.#size) ftruncateSync(this.#file, end);
    this.#size = end;
  }

  /**
   * Appends batches. They count only after {@link sync}.
   * @returns a function that makes the blobs known
   * @throws the system error; then no part of the batches is left
   */
  append(batches: readonly Batch[]): () => void {
    const start = this.#size;
    const entries: { readonly batch: Batch; readonly entry: Buffer }[] = [];
    let end = start;
    for (const batch of batches) {
      const entry = encodeEntry(batch, end);
      entries.push({ batch, entry });
      end += entry.length;
    }
    const bytes = Buffer.concat(entries.map(({ entry }) => entry));
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(this.#file, bytes, done, bytes.length - done, start + done);
      }
      this.#size = end;
    } catch (error) {
      // An unfinished file would keep the disk full.
      ftruncateSync(this.#file, start);
      throw error;
    }
    return () => {
      let at = start;
      for (const { batch, entry } of entries) {
        if (this.#places instanceof Map) note(this.#places, batch, at + blobsOffset(entry, batch));
        at += entry.length;
      }
    };
  }

  async sync(): Promise<void> {
    await sync(this.#file);
  }

  /**
   * The segment is complete. Its index is in a file beside it, so that a start need not read the whole segment.
   * @returns why it has no index; that only makes the next start slower
   */
  seal(): Error | undefined {
    if (this.#places instanceof Map) this.#places = BlobIndex.of(this.#places);
    const temporary = `${this.#indexPath()}.new`;
    try {
      writeFileSync(temporary, this.#places.encode(), { mode: 0o600, flush: true });
      renameSync(temporary, this.#indexPath());
      return undefined;
    } catch (error) {
      rmSync(temporary, { force: true, recursive: true });
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  place(ref: string): BlobPlace | undefined {
    return this.#places.get(ref);
  }

  places(): Iterable<readonly [ref: string, place: BlobPlace]> {
    return this.#places instanceof Map ? this.#places : this.#places.entries();
  }

  read({ at, length }: BlobPlace): Buffer {
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const count = readSync(this.#file, bytes, done, length - done, at + done);
      if (count === 0) return bytes.subarray(0, done);
      done += count;
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#file);
  }

  remove(): void {
    this.close();
    rmSync(this.path, { force: true });
    rmSync(this.#indexPath(), { force: true });
  }

  #indexPath(): string {
    return this.path.replace(/[.]log$/, ".index");
  }
}

/**
 * All records of a store, in the form of the first batch of each segment, so that older segments are not needed for
 * them.
 */
export function recordsBatch(records: Records): Batch {
  return { blobs: [], records };
}

function note(places: Map<string, BlobPlace>, { blobs, kept = false }: Batch, blobsAt: number): void {
  let at = blobsAt;
  for (const { ref, bytes } of blobs) {
    const isKept = kept || places.get(ref)?.kept === true;
    places.set(ref, { at, length: bytes.length, kept: isKept });
    at += bytes.length;
  }
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { isErrno } from "../../errors/index.js";
import type { JsonValue } from "../../messages/index.js";
import type { Backing, StoreSize } from "./backing.js";
import type { Batch } from "./batch.js";
import { type Collected, Collector, type Sweepable } from "./collection.js";
import { OldFiles } from "./old-files.js";
import { Reserve } from "./reserve.js";
import { recordsBatch, Segment } from "./segment.js";
import type { SegmentScan } from "./segment-format.js";
import { syncDirectorySync } from "./state-directory.js";
import { type Write, Writes } from "./writes.js";

const MIB = 1024 * 1024;
/** A segment is full at this size, or at a share of the store, so that there are never very many. */
const SEGMENT_BYTES = 8 * MIB;
const SEGMENTS_WANTED = 64;
/** A smaller active segment does not justify a new one. */
const WORTH_BYTES = 32 * 1024;
/** The largest batch for a move, in bytes of blobs. */
const MOVE_BYTES = 4 * MIB;
const NAME = /^(\d{8})[.]log$/;

export interface SegmentStoreOptions {
  /** `content` below the state directory. */
  readonly base: string;
  readonly onWarning: (text: string) => void;
}

/**
 * Blobs and records in segments, which are files of consecutive batches. There is one wait for the disk for all
 * batches that arrived during the last one. The store copies the live blobs of a segment that is mostly garbage to
 * the end. Then it deletes the segment.
 */
export class SegmentStore implements Backing, Sweepable {
  readonly #base: string;
  readonly #directory: string;
  readonly #warn: (text: string) => void;
  readonly #old: OldFiles;
  readonly #reserve: Reserve;
  readonly #records: Map<string, JsonValue>;
  readonly #writes = new Writes();
  /** The segments, the oldest first. New batches go into the last one. */
  #segments: Segment[] = [];
  /** Segments whose removal is under way. If one of their blobs arrives again, the store writes it again. */
  readonly #condemned = new Set<Segment>();
  readonly #collector = new Collector(this);
  #writing: Promise<void> | undefined;

  constructor({ base, onWarning }: SegmentStoreOptions) {
    this.#base = base;
    this.#directory = join(base, "segments");
    this.#warn = onWarning;
    this.#reserve = new Reserve(join(base, ".."));
    this.#old = new OldFiles(base);
    this.#old.clearTemporary();
    this.#records = this.#old.records(onWarning);
    this.#open();
  }

  get reserve(): Reserve {
    return this.#reserve;
  }

  commit(batch: Batch): Promise<void> {
    for (const { ref } of batch.blobs) this.#collector.renew(ref);
    return this.#add(batch);
  }

  load(ref: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#read(ref));
  }

  record(key: string): Promise<JsonValue | undefined> {
    return Promise.resolve(this.#records.get(key));
  }

  records(): Iterable<JsonValue> {
    return this.#records.values();
  }

  /** References of all blobs. */
  *refs(): Generator<string> {
    const seen = new Set<string>();
    for (const segment of this.#segments) for (const [ref] of segment.places()) seen.add(ref);
    for (const blobs of this.#old.directories()) for (const { ref } of blobs) seen.add(ref);
    yield* seen;
  }

  size(): StoreSize {
    let bytes = 0;
    for (const segment of this.#segments) bytes += segment.size;
    return { bytes };
  }

  async collect(pins: readonly string[]): Promise<Collected> {
    try {
      return await this.#collector.collect(pins, () => this.#add({ blobs: [], records: {} }));
    } finally {
      this.#condemned.clear();
    }
  }

  async sweep(isLive: (ref: string) => boolean): Promise<Collected> {
    const before = this.size().bytes;
    let liveBytes = 0;
    const last = this.#segments.at(-1);
    if (last !== undefined && last.size > WORTH_BYTES && this.#isMostlyGarbage(last, isLive))
      await this.#exclusively(() => this.#roll());
    for (const segment of this.#segments.slice(0, -1)) {
      await nextTurn();
      if (this.#isMostlyGarbage(segment, isLive)) await this.#empty(segment, isLive);
    }
    for (const segment of this.#segments) liveBytes += this.#liveBytes(segment, isLive);
    const old = await this.#sweepOld(isLive);
    const bytes = Math.max(0, before - this.size().bytes) + old.bytes;
    return { bytes, liveBytes: liveBytes + old.liveBytes };
  }

  async #sweepOld(isLive: (ref: string) => boolean): Promise<Collected> {
    const total = { bytes: 0, liveBytes: 0 };
    for (const found of this.#old.directories()) {
      for (const { ref, bytes } of found) {
        const isDead = !isLive(ref) || this.#find(ref) !== undefined;
        if (isDead) this.#old.remove(ref);
        total[isDead ? "bytes" : "liveBytes"] += bytes;
      }
      await nextTurn();
    }
    return total;
  }

  /** Resolves when all earlier batches have been written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.idle();
    for (const segment of this.#segments) segment.close();
  }

  #open(): void {
    if (mkdirSync(this.#directory, { recursive: true, mode: 0o700 }) !== undefined) {
      for (const directory of [this.#base, join(this.#base, "..")]) syncDirectorySync(directory);
    }
    const names = readdirSync(this.#directory);
    for (const name of names.filter((entry) => entry.endsWith(".new"))) rmSync(join(this.#directory, name));
    for (const name of names.sort()) {
      const [, number] = NAME.exec(name) ?? [];
      if (number !== undefined)
        this.#segments.push(Segment.open(join(this.#directory, name), Number(number)));
    }
    const newest = this.#scanNewest();
    for (const segment of this.#segments.slice(0, -1)) this.#know(segment, newest?.isWhole === true);
    for (const { batch } of newest?.entries ?? []) this.#take(batch);
  }

  /** Reads the newest segment that any answer came from. It begins with all records. */
  #scanNewest(): { readonly entries: SegmentScan["entries"]; readonly isWhole: boolean } | undefined {
    for (let last = this.#segments.at(-1); last !== undefined; last = this.#segments.at(-1)) {
      const { entries, end, damaged } = last.scan();
      this.#warnOfDamage(last, damaged);
      if (end < last.size) {
        this.#warn(`${last.path}: dropped ${last.size - end} bytes of an incomplete write`);
      }
      last.cut(end);
      if (entries.length > 0) return { entries, isWhole: damaged.length === 0 };
      last.remove();
      this.#segments.pop();
    }
    return undefined;
  }

  /** @param isIndexEnough none of its records is needed */
  #know(segment: Segment, isIndexEnough: boolean): void {
    if (segment.readIndex() && isIndexEnough) return;
    const { entries, damaged } = segment.scan();
    this.#warnOfDamage(segment, damaged);
    for (const { batch } of entries) this.#take(batch);
    this.#seal(segment);
  }

  #seal(segment: Segment | undefined): void {
    const error = segment?.seal();
    if (error !== undefined && !isErrno(error, "ENOSPC")) {
      this.#warn(`${segment?.path ?? ""}: no index: ${error.message}`);
    }
  }

  #warnOfDamage({ path }: Segment, damaged: SegmentScan["damaged"]): void {
    for (const { at, bytes } of damaged) {
      this.#warn(`${path} is damaged: ${bytes} bytes at ${at} cannot be read (see: sluice kvs fsck)`);
    }
  }

  #take({ records }: Batch): void {
    for (const [key, value] of Object.entries(records)) this.#records.set(key, value);
  }

  #find(ref: string): { readonly segment: Segment; readonly bytes: () => Buffer } | undefined {
    for (const segment of this.#segments.toReversed()) {
      const place = segment.place(ref);
      if (place !== undefined) return { segment, bytes: () => segment.read(place) };
    }
    return undefined;
  }

  #read(ref: string): Buffer | undefined {
    return this.#find(ref)?.bytes() ?? this.#old.load(ref);
  }

  #add(batch: Batch): Promise<void> {
    const written = this.#writes.add(batch);
    this.#writing ??= this.#writeAll();
    return written;
  }

  async #writeAll(): Promise<void> {
    // Writes all other batches of this turn with it.
    await nextTurn();
    while (!this.#writes.isEmpty) {
      const group = this.#writes.take();
      try {
        await this.#write(group.map(({ batch }) => batch));
        for (const { resolve } of group) resolve();
      } catch (error) {
        await this.#failed(group, error);
      }
    }
    this.#writing = undefined;
  }

  /** A batch that is too large for the free space must not make others fail. */
  async #failed(group: readonly Write[], error: unknown): Promise<void> {
    const isFull = isErrno(error, "ENOSPC");
    for (const { batch, resolve, reject } of group) {
      if (isFull && batch.last === true) this.#reserve.release();
      if (!isFull || (group.length === 1 && batch.last !== true)) {
        reject(error);
        continue;
      }
      await this.#write([batch]).then(resolve, reject);
    }
  }

  async #write(batches: readonly Batch[]): Promise<void> {
    const news = batches.map((batch) => this.#withoutKnown(batch)).filter(hasSomething);
    if (news.length === 0) return;
    const bytes = news.reduce(
      (sum, { blobs }) => sum + blobs.reduce((all, blob) => all + blob.bytes.length, 0),
      0,
    );
    const last = this.#segments.at(-1);
    const active = last === undefined || last.size + bytes > this.#segmentBytes() ? await this.#roll() : last;
    const know = active.append(news);
    try {
      await active.sync();
    } catch (error) {
      // The state of this file on the disk is now unknown. The next write goes to another file.
      this.#warn(`${active.path}: ${String(error)}`);
      await this.#rewrite(news);
      return;
    }
    know();
    for (const batch of news) this.#take(batch);
  }

  async #rewrite(batches: readonly Batch[]): Promise<void> {
    const active = await this.#roll();
    const know = active.append(batches);
    try {
      await active.sync();
    } catch (error) {
      await this.#roll().catch((cause: unknown) => this.#warn(`cannot create a segment: ${String(cause)}`));
      throw error;
    }
    know();
    for (const batch of batches) this.#take(batch);
  }

  /** The store does not write an existing blob again, unless its copy is damaged or about to be removed. */
  #withoutKnown(batch: Batch): Batch {
    const blobs = batch.blobs.filter(({ ref, bytes }) => {
      const found = this.#find(ref);
      if (found === undefined) return this.#old.load(ref)?.equals(bytes) !== true || batch.kept === true;
      if (this.#condemned.has(found.segment)) return true;
      return (batch.kept === true && found.segment.place(ref)?.kept !== true) || !found.bytes().equals(bytes);
    });
    return blobs.length === batch.blobs.length ? batch : { ...batch, blobs };
  }

  #segmentBytes(): number {
    const all = this.#segments.reduce((sum, { size }) => sum + size, 0);
    return Math.min(0xffff_ffff, Math.max(SEGMENT_BYTES, all / SEGMENTS_WANTED));
  }

  /** Begins a new segment, with all records, so that no older segment is needed for them. */
  async #roll(): Promise<Segment> {
    const last = this.#segments.at(-1);
    const number = (last?.number ?? 0) + 1;
    const segment = Segment.create(join(this.#directory, `${String(number).padStart(8, "0")}.log`), number);
    try {
      segment.append([recordsBatch(Object.fromEntries(this.#records))]);
      await segment.sync();
      syncDirectorySync(this.#directory);
    } catch (error) {
      segment.remove();
      throw error;
    }
    // From now on, a start uses this segment as the newest one. Even if a later step fails, the next write must go to
    // this segment.
    this.#segments.push(segment);
    this.#seal(last);
    return segment;
  }

  /** Runs between two writes. */
  async #exclusively(run: () => Promise<unknown>): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    this.#writing = run().then(
      () => undefined,
      (error: unknown) => this.#warn(`cannot create a segment: ${String(error)}`),
    );
    await this.#writing;
    this.#writing = this.#writes.isEmpty ? undefined : this.#writeAll();
  }

  #isStaying(
    segment: Segment,
    [ref, place]: readonly [string, { readonly kept: boolean }],
    isLive: (ref: string) => boolean,
  ): boolean {
    return (place.kept || isLive(ref)) && this.#find(ref)?.segment === segment;
  }

  #liveBytes(segment: Segment, isLive: (ref: string) => boolean): number {
    let bytes = 0;
    for (const entry of segment.places())
      if (this.#isStaying(segment, entry, isLive)) bytes += entry[1].length;
    return bytes;
  }

  #isMostlyGarbage(segment: Segment, isLive: (ref: string) => boolean): boolean {
    return this.#liveBytes(segment, isLive) < segment.size / 2;
  }

  /** Moves the live blobs to the end, and removes the segment when they are on the disk. */
  async #empty(segment: Segment, isLive: (ref: string) => boolean): Promise<void> {
    this.#condemned.add(segment);
    const staying = [...segment.places()].filter((entry) => this.#isStaying(segment, entry, isLive));
    let moves: Promise<void>[] = [];
    let bytes = 0;
    for (const [ref, place] of staying) {
      moves.push(this.#add({ blobs: [{ ref, bytes: segment.read(place) }], records: {}, kept: place.kept }));
      bytes += place.length;
      if (bytes < MOVE_BYTES) continue;
      await Promise.all(moves);
      [moves, bytes] = [[], 0];
    }
    await Promise.all(moves);
    this.#segments = this.#segments.filter((other) => other !== segment);
    this.#condemned.delete(segment);
    segment.remove();
  }
}

function hasSomething({ blobs, records }: Batch): boolean {
  return blobs.length > 0 || Object.keys(records).length > 0;
}

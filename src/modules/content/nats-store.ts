import { randomBytes } from "node:crypto";
import { messageOf, requestError } from "../../errors/index.js";
import type { JsonValue } from "../../messages/index.js";
import type { Backing, StoreSize } from "./backing.js";
import type { Batch, Records } from "./batch.js";
import { blobref, type StoredBlob } from "./blob.js";
import { type Collected, Collector, type Sweepable } from "./collection.js";
import { parseJson } from "./json.js";
import { isConflict, type NatsBucket } from "./nats-bucket.js";
import { type Write, Writes } from "./writes.js";

/** Requests to the servers that are under way at a time. */
const AT_ONCE = 64;

/** Blobs that are checked in one part of a sweep. Writes wait for its end. */
const SWEEP_BLOBS = 500;

/** The key of all records. Its value also names the writer. */
const RECORDS = "records";

/** Keys of blobs: `b` in one value, `m` in pieces `p`; `k` for a blob that stays. */
const KEY =
  /^(?:(?<kind>[bm])[.](?<hex>[0-9a-f]{64})[.](?<bytes>\d{1,10})|k[.](?<kept>[0-9a-f]{64})|p[.](?<whole>[0-9a-f]{64})[.]\d{1,7})$/;

/** A value of the bucket. */
interface Value {
  readonly key: string;
  /** Undefined: the revision of the key when the store was opened. */
  readonly revision?: number;
}

/** The place of a blob. */
interface Place extends Value {
  readonly bytes: number;
  /** The pieces in order; empty if the blob is in one value. */
  readonly pieces: readonly Value[];
  /**
   * Whether this process wrote it. Otherwise it was only read. If a client stores any other blob again, this writes
   * it again, because a late removal by another process has an older revision.
   */
  isSure: boolean;
}

/** The content of the value with the records. */
interface Head {
  readonly writer: string;
  readonly number: number;
  readonly records?: Records;
  /** If they are too long for one value: the blob that contains them. */
  readonly blob?: string;
}

/**
 * Blobs and records in a bucket of JetStream. A blob may be written twice, because its key is its digest. All
 * records are one value. The store writes it after the blobs, and only over the revision that this process
 * has read. So a batch counts as a whole or not at all. A process that has been replaced writes nothing.
 */
export class NatsStore implements Backing, Sweepable {
  readonly #bucket: NatsBucket;
  readonly #warn: (text: string) => void;
  readonly #writer = randomBytes(8).toString("hex");
  readonly #places = new Map<string, Place>();
  readonly #kept = new Set<string>();
  readonly #writes = new Writes();
  readonly #collector = new Collector(this);
  /** Pieces of blobs that were never complete. */
  #orphans: readonly string[] = [];
  #openedAt = 0;
  #records: Records = {};
  #recordsBlob: string | undefined;
  #recordBytes = 0;
  #revision = 0;
  #number = 0;
  #sweeps: (() => Promise<void>)[] = [];
  #running: Promise<void> | undefined;

  private constructor(bucket: NatsBucket, onWarning: (text: string) => void) {
    this.#bucket = bucket;
    this.#warn = onWarning;
  }

  /** Opens the store, and takes it from a process that had it. @throws `EIO` for unreadable records */
  static async open(bucket: NatsBucket, onWarning: (text: string) => void): Promise<NatsStore> {
    const store = new NatsStore(bucket, onWarning);
    await store.#take();
    await store.#list();
    return store;
  }

  commit(batch: Batch): Promise<void> {
    for (const { ref } of batch.blobs) this.#collector.renew(ref);
    return this.#add(batch);
  }

  #add(batch: Batch): Promise<void> {
    const written = this.#writes.add(batch);
    this.#start();
    return written;
  }

  async load(ref: string): Promise<Uint8Array | undefined> {
    const place = this.#places.get(ref);
    if (place === undefined) return undefined;
    const bytes = await this.#read(place);
    if (blobref(bytes) !== ref) place.isSure = false;
    return bytes;
  }

  record(key: string): Promise<JsonValue | undefined> {
    return Promise.resolve(Object.hasOwn(this.#records, key) ? this.#records[key] : undefined);
  }

  records(): Iterable<JsonValue> {
    return Object.values(this.#records);
  }

  size(): StoreSize {
    let bytes = this.#recordBytes;
    for (const place of this.#places.values()) bytes += place.bytes;
    return { bytes };
  }

  collect(pins: readonly string[]): Promise<Collected> {
    return this.#collector.collect(pins, () => this.#add({ blobs: [], records: {} }));
  }

  async sweep(isLive: (ref: string) => boolean): Promise<Collected> {
    const total = { bytes: 0, liveBytes: 0 };
    const refs = [...this.#places.keys()];
    for (let at = 0; at < refs.length; at += SWEEP_BLOBS) {
      const some = refs.slice(at, at + SWEEP_BLOBS);
      await this.#between(() => this.#sweepSome(some, isLive, total));
    }
    const orphans = this.#orphans;
    this.#orphans = [];
    await this.#erase(orphans.map((key) => ({ key })));
    return total;
  }

  /** Resolves when all earlier batches have been written. */
  async close(): Promise<void> {
    await this.#running;
    await this.#bucket.close();
  }

  async #take(): Promise<void> {
    const stored = await this.#bucket.read(RECORDS);
    this.#revision = stored?.revision ?? 0;
    if (stored?.value === undefined) {
      await this.#writeRecords({});
      return;
    }
    const { records, blob, number } = headOf(stored.value);
    this.#number = number;
    if (blob === undefined) await this.#writeRecords(records ?? {});
    else {
      await this.#list();
      const bytes = await this.load(blob);
      if (bytes === undefined || blobref(bytes) !== blob) throw damagedError(this.#bucket);
      await this.#writeRecords(parseJson(bytes) as Records);
    }
  }

  /** Reads the state of the store. */
  async #list(): Promise<void> {
    const { keys, lastRevision } = await this.#bucket.keys();
    this.#openedAt = lastRevision;
    const pieces = new Map<string, string[]>();
    const found: {
      readonly key: string;
      readonly hex: string;
      readonly bytes: number;
      readonly isWhole: boolean;
    }[] = [];
    for (const key of keys) {
      const { kind, hex = "", bytes, kept, whole } = KEY.exec(key)?.groups ?? {};
      if (kept !== undefined) this.#kept.add(refOf(kept));
      else if (whole !== undefined) pieces.set(whole, [...(pieces.get(whole) ?? []), key]);
      else if (kind !== undefined) found.push({ key, hex, bytes: Number(bytes), isWhole: kind === "b" });
    }
    for (const { key, hex, bytes, isWhole } of found) {
      const own = isWhole ? [] : (pieces.get(hex) ?? []).sort((a, b) => pieceNumber(a) - pieceNumber(b));
      if (!isWhole) pieces.delete(hex);
      const ref = refOf(hex);
      if (this.#places.get(ref)?.isSure !== true)
        this.#places.set(ref, { key, bytes, pieces: own.map((piece) => ({ key: piece })), isSure: false });
    }
    this.#orphans = [...pieces.values()].flat();
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#hasWork()) this.#start();
    });
  }

  #hasWork(): boolean {
    return !this.#writes.isEmpty || this.#sweeps.length > 0;
  }

  /** One write at a time: batches that arrive in one turn, or during another write, share a write. */
  async #run(): Promise<void> {
    await Promise.resolve();
    while (this.#hasWork()) {
      const sweep = this.#sweeps.shift();
      if (sweep !== undefined) await sweep();
      const group = this.#writes.take();
      if (group.length > 0) await this.#writeGroup(group);
    }
  }

  #between(run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sweeps.push(() => run().then(resolve, reject));
      this.#start();
    });
  }

  async #writeGroup(group: readonly Write[]): Promise<void> {
    try {
      await this.#writeBlobs(group.map(({ batch }) => batch));
      const changed = group.filter(({ batch }) => Object.keys(batch.records).length > 0);
      if (changed.length > 0) {
        const all = changed.map(({ batch }) => batch.records);
        await this.#writeRecords(Object.assign({}, this.#records, ...all) as Records);
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    for (const { resolve } of group) resolve();
  }

  async #writeBlobs(batches: readonly Batch[]): Promise<void> {
    const fresh = new Map<string, StoredBlob>();
    const kept = new Set<string>();
    for (const batch of batches) {
      for (const blob of batch.blobs) {
        if (this.#places.get(blob.ref)?.isSure !== true) fresh.set(blob.ref, blob);
        if (batch.kept === true && !this.#kept.has(blob.ref)) kept.add(blob.ref);
      }
    }
    await atOnce([...fresh.values()], (blob) => this.#writeBlob(blob));
    await atOnce([...kept], async (ref) => {
      await this.#bucket.write(`k.${hexOf(ref)}`, new Uint8Array());
      this.#kept.add(ref);
    });
  }

  /** The pieces come first, because without the value that names the blob they are garbage. */
  async #writeBlob({ ref, bytes }: StoredBlob): Promise<void> {
    const most = this.#bucket.valueBytes;
    const hex = hexOf(ref);
    const isWhole = bytes.length <= most;
    const key = `${isWhole ? "b" : "m"}.${hex}.${bytes.length}`;
    const count = isWhole ? 0 : Math.ceil(bytes.length / most);
    const pieces: Value[] = [];
    await atOnce(
      Array.from({ length: count }, (_, n) => n),
      async (n) => {
        const piece = `p.${hex}.${n}`;
        const part = bytes.subarray(n * most, (n + 1) * most);
        pieces[n] = { key: piece, revision: await this.#bucket.write(piece, part) };
      },
    );
    const before = this.#places.get(ref);
    const revision = await this.#bucket.write(key, isWhole ? bytes : Buffer.from(String(count)));
    this.#places.set(ref, { key, bytes: bytes.length, revision, pieces, isSure: true });
    if (before === undefined) return;
    // If the servers had another limit before, the blob had pieces under other keys.
    const names = new Set([key, ...pieces.map((piece) => piece.key)]);
    await this.#erase([before, ...before.pieces].filter((value) => !names.has(value.key)));
  }

  async #read({ key, pieces }: Place): Promise<Uint8Array> {
    const read = async (one: string): Promise<Uint8Array> =>
      (await this.#bucket.read(one))?.value ?? new Uint8Array();
    if (key.startsWith("b")) return read(key);
    const parts: Uint8Array[] = [];
    await atOnce([...pieces.entries()], async ([n, piece]) => (parts[n] = await read(piece.key)));
    return Buffer.concat(parts);
  }

  /** @throws `EIO` when another process has taken the store */
  async #writeRecords(records: Records): Promise<void> {
    const text = Buffer.from(JSON.stringify(records));
    const number = this.#number + 1;
    const head: Head = { writer: this.#writer, number, records };
    let value = Buffer.from(JSON.stringify(head));
    let blob: string | undefined;
    if (value.length > this.#bucket.valueBytes) {
      blob = blobref(text);
      if (this.#places.get(blob)?.isSure !== true) await this.#writeBlob({ ref: blob, bytes: text });
      value = Buffer.from(JSON.stringify({ writer: this.#writer, number, blob } satisfies Head));
    }
    this.#number = number;
    const arrived = async (): Promise<number | undefined> => {
      const stored = await this.#bucket.read(RECORDS);
      return stored?.value !== undefined && value.equals(stored.value) ? stored.revision : undefined;
    };
    for (let isWritten = false; !isWritten;) {
      try {
        this.#revision = await this.#bucket.writeOver(RECORDS, value, this.#revision, arrived);
        isWritten = true;
      } catch (error) {
        if (!isConflict(error)) throw error;
        this.#revision = await this.#lateRevision();
      }
    }
    this.#records = records;
    this.#recordsBlob = blob;
    this.#recordBytes = text.length;
  }

  /**
   * Either a failed write of our own has arrived late, or another process has taken the store.
   * @throws `EIO` for that
   */
  async #lateRevision(): Promise<number> {
    const stored = await this.#bucket.read(RECORDS);
    const isOwn = stored?.value !== undefined && headOf(stored.value).writer === this.#writer;
    if (isOwn) return stored.revision;
    throw requestError("EIO", `another process has taken the store in NATS bucket ${this.#bucket.name}`);
  }

  async #sweepSome(
    refs: readonly string[],
    isLive: (ref: string) => boolean,
    total: { bytes: number; liveBytes: number },
  ): Promise<void> {
    const dead: Place[] = [];
    for (const ref of refs) {
      const place = this.#places.get(ref);
      if (place === undefined) continue;
      if (this.#kept.has(ref) || ref === this.#recordsBlob || isLive(ref)) total.liveBytes += place.bytes;
      else {
        total.bytes += place.bytes;
        // If a client stores the blob again, the store must write it again.
        this.#places.delete(ref);
        dead.push(place);
      }
    }
    // If the value that names the blob is missing, a collection finds its pieces as garbage.
    await this.#erase(dead);
    await this.#erase(dead.flatMap(({ pieces }) => pieces));
  }

  /** Erases only values from before this process opened the store, or its own ones: others belong to another process. */
  async #erase(values: readonly Value[]): Promise<void> {
    await atOnce(values, async ({ key, revision }) => {
      try {
        const found = revision ?? (await this.#bucket.read(key))?.revision ?? Infinity;
        if (revision !== undefined || found <= this.#openedAt) await this.#bucket.erase(found);
      } catch (error) {
        this.#warn(`cannot remove garbage, which stays until the next start: ${messageOf(error)}`);
      }
    });
  }
}

/** Runs a function for each item, a few at a time. */
async function atOnce<T>(items: readonly T[], run: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) await run(items[at] as T);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
}

function headOf(value: Buffer): Head {
  const head = parseJson(value) as Partial<Head> | null;
  if (typeof head?.writer !== "string" || typeof head.number !== "number") {
    throw requestError("EIO", "the records of the store are damaged");
  }
  return head as Head;
}

function damagedError({ name }: NatsBucket): Error {
  return requestError("EIO", `NATS bucket ${name}: the records of the store are damaged`);
}

function refOf(hex: string): string {
  return `sha256-${hex}`;
}

function hexOf(ref: string): string {
  return ref.slice("sha256-".length);
}

function pieceNumber(key: string): number {
  return Number(key.slice(key.lastIndexOf(".") + 1));
}

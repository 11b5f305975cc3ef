import { setImmediate as nextTurn } from "node:timers/promises";
import type Database from "libsql";
import { isErrno } from "../../errors/index.js";
import type { JsonValue } from "../../messages/index.js";
import type { Backing, StoreSize } from "./backing.js";
import type { Batch } from "./batch.js";
import { type Collected, Collector, type Sweepable } from "./collection.js";
import { parseJson } from "./json.js";
import { Reserve } from "./reserve.js";
import { openSqlite, pragma, sqliteError, sqliteSize } from "./sqlite-file.js";
import { type Write, Writes } from "./writes.js";

/** Blobs that are checked in one turn of a sweep. */
const SWEEP_ROWS = 500;
/** Pages that are returned in one turn. */
const VACUUM_PAGES = 256;

interface Swept {
  readonly lastRef: string | undefined;
  readonly bytes: number;
  readonly liveBytes: number;
}

/** Blobs and records in one SQLite file. Batches that arrive in one turn of the event loop share a transaction. */
export class SqliteStore implements Backing, Sweepable {
  readonly #path: string;
  readonly #db: Database.Database;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #writes = new Writes();
  readonly #reserve: Reserve;
  readonly #collector = new Collector(this);
  /** Parts of a sweep that go into the next transaction. */
  #sweeps: (() => void)[] = [];
  #isScheduled = false;

  /**
   * @param directory the directory of the reserve
   * @throws `EIO` for a file that is no database
   */
  constructor(path: string, directory: string) {
    this.#path = path;
    this.#reserve = new Reserve(directory);
    this.#db = openSqlite(path);
    try {
      this.#statements = prepare(this.#db);
    } catch (error) {
      this.#db.close();
      throw sqliteError(error);
    }
  }

  get database(): Database.Database {
    return this.#db;
  }

  get reserve(): Reserve {
    return this.#reserve;
  }

  commit(batch: Batch): Promise<void> {
    for (const { ref } of batch.blobs) this.#collector.renew(ref);
    const written = this.#writes.add(batch);
    this.#schedule();
    return written;
  }

  load(ref: string): Promise<Uint8Array | undefined> {
    const data = read(() => this.#statements.getBlob.get(ref), "data");
    return Promise.resolve(data instanceof Uint8Array ? data : undefined);
  }

  /** @throws `EIO` when the stored record is damaged */
  record(key: string): Promise<JsonValue | undefined> {
    return settled(() => {
      const value = read(() => this.#statements.getRecord.get(key), "value");
      return typeof value === "string" ? parseJson(Buffer.from(value)) : undefined;
    });
  }

  *records(): Generator<JsonValue> {
    // This reads it as text, to find the references even in a damaged record, which has no tree.
    for (const row of this.#statements.records.all()) yield String(read(() => row, "value"));
  }

  /** References of all blobs, in order. */
  *refs(): Generator<string> {
    for (let after = "", rows; (rows = this.#refsAfter(after)).length > 0; after = rows.at(-1) ?? "")
      yield* rows;
  }

  size(): StoreSize {
    return sqliteSize(this.#path);
  }

  collect(pins: readonly string[]): Promise<Collected> {
    return this.#collector.collect(pins, () => this.#inTransaction(() => undefined));
  }

  async sweep(isLive: (ref: string) => boolean): Promise<Collected> {
    const total = { bytes: 0, liveBytes: 0 };
    for (let after: string | undefined = ""; after !== undefined;) {
      const swept: Swept = await this.#inTransaction(() => this.#sweepAfter(after ?? "", isLive));
      total.bytes += swept.bytes;
      total.liveBytes += swept.liveBytes;
      after = swept.lastRef;
    }
    await this.#vacuum();
    return total;
  }

  close(): void {
    this.#write();
    this.#db.close();
  }

  /**
   * Gives free pages back to the disk, a few a turn. SQLite needs space in its log for that. On a full disk
   * the pages stay in the file. The next writes use them.
   */
  async #vacuum(): Promise<void> {
    try {
      while (pragma(this.#db, "freelist_count") > 0 && pragma(this.#db, "auto_vacuum") === 2) {
        this.#db.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
        await nextTurn();
      }
    } catch (error) {
      const failure = sqliteError(error);
      if (!isErrno(failure, "ENOSPC")) throw failure;
    }
  }

  #refsAfter(after: string): string[] {
    return this.#statements.refsAfter.all(after, SWEEP_ROWS).map((row) => String(read(() => row, "ref")));
  }

  /** Checks and removes in one turn, so that no write comes in between. */
  #sweepAfter(after: string, isLive: (ref: string) => boolean): Swept {
    const rows = this.#statements.sizesAfter.all(after, SWEEP_ROWS);
    let [bytes, liveBytes] = [0, 0];
    let lastRef: string | undefined;
    for (const row of rows) {
      const ref = String(read(() => row, "ref"));
      const size = Number(read(() => row, "size"));
      lastRef = ref;
      if (read(() => row, "isKept") === 1 || isLive(ref)) liveBytes += size;
      else {
        this.#statements.deleteBlob.run(ref);
        bytes += size;
      }
    }
    return { lastRef, bytes, liveBytes };
  }

  #inTransaction<T>(run: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: T | undefined;
      this.#sweeps.push(() => (result = run()));
      void this.#writes.add({ blobs: [], records: {} }).then(() => resolve(result as T), reject);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#write();
    });
  }

  #write(): void {
    while (!this.#writes.isEmpty) {
      const group = this.#writes.take();
      const sweeps = this.#sweeps;
      this.#sweeps = [];
      this.#writeGroup(group, sweeps);
    }
  }

  #writeGroup(group: readonly Write[], sweeps: readonly (() => void)[]): void {
    try {
      this.#transaction(group, sweeps);
    } catch (error) {
      const failure = sqliteError(error);
      const isLast = group.some(({ batch }) => batch.last === true);
      if (isLast && isErrno(failure, "ENOSPC")) this.#writeLast(group, failure);
      else for (const { reject } of group) reject(failure);
      return;
    }
    for (const { resolve } of group) resolve();
  }

  /** On a full disk only the last writes of an instance may use the space that is reserved for its end. */
  #writeLast(group: readonly Write[], failure: Error): void {
    this.#reserve.release();
    for (const write of group) {
      try {
        if (write.batch.last !== true) throw failure;
        this.#transaction([write], []);
        write.resolve();
      } catch (error) {
        write.reject(error === failure ? failure : sqliteError(error));
      }
    }
  }

  #transaction(group: readonly Write[], sweeps: readonly (() => void)[]): void {
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      for (const { batch } of group) this.#put(batch);
      for (const sweep of sweeps) sweep();
      this.#db.exec("COMMIT");
    } catch (error) {
      // After some errors, including a full disk, SQLite has already rolled back.
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  #put({ blobs, records, kept }: Batch): void {
    for (const { ref, bytes } of blobs) {
      this.#statements.putBlob.run(ref, bytes);
      if (kept) this.#statements.keep.run(ref);
    }
    for (const [key, value] of Object.entries(records)) {
      this.#statements.putRecord.run(key, JSON.stringify(value));
    }
  }
}

function prepare(db: Database.Database) {
  return {
    // Replaces a damaged copy by a good one.
    putBlob: db.prepare<[string, Uint8Array]>(
      `INSERT INTO blobs VALUES (?, ?) ON CONFLICT (ref) DO UPDATE SET data = excluded.data
       WHERE data <> excluded.data`,
    ),
    keep: db.prepare<[string]>("INSERT OR IGNORE INTO kept VALUES (?)"),
    getBlob: db.prepare<[string]>("SELECT data FROM blobs WHERE ref = ?"),
    deleteBlob: db.prepare<[string]>("DELETE FROM blobs WHERE ref = ?"),
    refsAfter: db.prepare<[string, number]>("SELECT ref FROM blobs WHERE ref > ? ORDER BY ref LIMIT ?"),
    sizesAfter: db.prepare<[string, number]>(
      `SELECT ref, length(data) AS size, EXISTS (SELECT 1 FROM kept WHERE kept.ref = blobs.ref) AS isKept
       FROM blobs WHERE ref > ? ORDER BY ref LIMIT ?`,
    ),
    // An update in place, because INSERT OR REPLACE would write a page of the index too.
    putRecord: db.prepare<[string, string]>(
      "INSERT INTO checkpoints VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    ),
    getRecord: db.prepare<[string]>("SELECT value FROM checkpoints WHERE key = ?"),
    records: db.prepare<[]>("SELECT value FROM checkpoints"),
  };
}

function settled<T>(run: () => T): Promise<T> {
  return new Promise((resolve) => resolve(run()));
}

function read(get: () => unknown, column: string): unknown {
  let row: unknown;
  try {
    row = get();
  } catch (error) {
    throw sqliteError(error);
  }
  return typeof row === "object" && row !== null ? Reflect.get(row, column) : undefined;
}

import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import Database from "libsql";
import { messageOf, requestError } from "../errors/index.js";
import type { Handle, JsonValue } from "../messages/index.js";
import { parseJson } from "./content/json.js";
import { type Backing, serveBacking } from "./content/serve-backing.js";
import { stateDirectory, syncDirectory } from "./content/state-directory.js";

/**
 * Provides `content-backing` from one SQLite file, `content.sqlite` in the attribute `statedir`, or without that in
 * `rundir`. An answer means that the transaction is on the disk (WAL, `synchronous=FULL`).
 */
export async function modMain(h: Handle): Promise<void> {
  const directory = await stateDirectory(h);
  const backing = new SqliteBacking(join(directory, "content.sqlite"));
  try {
    await syncDirectory(directory);
    await serveBacking(h, backing);
    await h.run();
  } finally {
    backing.close();
  }
}

interface Write {
  readonly run: () => unknown;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Writes that arrive in one turn of the event loop share a transaction, and so one wait for the disk. */
class SqliteBacking implements Backing {
  readonly #db: Database.Database;
  readonly #statements: ReturnType<typeof prepare>;
  #writes: Write[] = [];

  constructor(path: string) {
    // SQLite makes files that others may read; the WAL takes its mode from this one.
    closeSync(openSync(path, "a", 0o600));
    const db = new Database(path, { timeout: 10_000 });
    this.#db = db;
    try {
      db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
      db.exec("CREATE TABLE IF NOT EXISTS blobs (ref TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT");
      db.exec("CREATE TABLE IF NOT EXISTS checkpoints (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT");
      this.#statements = prepare(db);
    } catch (error) {
      db.close();
      throw sqliteError(error);
    }
  }

  store(ref: string, bytes: Uint8Array): Promise<void> {
    return this.#write(() => this.#statements.putBlob.run(ref, bytes));
  }

  putCheckpoint(key: string, value: JsonValue): Promise<void> {
    return this.#write(() => this.#statements.putCheckpoint.run(key, JSON.stringify(value)));
  }

  load(ref: string): Promise<Uint8Array | undefined> {
    const data = read(() => this.#statements.getBlob.get(ref), "data");
    return Promise.resolve(data instanceof Uint8Array ? data : undefined);
  }

  getCheckpoint(key: string): Promise<JsonValue | undefined> {
    const value = read(() => this.#statements.getCheckpoint.get(key), "value");
    return Promise.resolve(typeof value === "string" ? parseJson(Buffer.from(value)) : undefined);
  }

  close(): void {
    this.#commit();
    this.#db.close();
  }

  #write(run: () => unknown): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#writes.push({ run, resolve, reject });
      if (this.#writes.length === 1) setImmediate(() => this.#commit());
    });
  }

  #commit(): void {
    const writes = this.#writes;
    if (writes.length === 0) return;
    this.#writes = [];
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      for (const { run } of writes) run();
      this.#db.exec("COMMIT");
    } catch (error) {
      // Some errors, a full disk among them, have rolled back already.
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
      for (const { reject } of writes) reject(sqliteError(error));
      return;
    }
    for (const { resolve } of writes) resolve();
  }
}

function prepare(db: Database.Database) {
  return {
    // A copy that went bad is replaced by a good one.
    putBlob: db.prepare<[string, Uint8Array]>(
      `INSERT INTO blobs VALUES (?, ?) ON CONFLICT (ref) DO UPDATE SET data = excluded.data
       WHERE data <> excluded.data`,
    ),
    getBlob: db.prepare<[string]>("SELECT data FROM blobs WHERE ref = ?"),
    putCheckpoint: db.prepare<[string, string]>("INSERT OR REPLACE INTO checkpoints VALUES (?, ?)"),
    getCheckpoint: db.prepare<[string]>("SELECT value FROM checkpoints WHERE key = ?"),
  };
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

function sqliteError(error: unknown): Error {
  const full = error instanceof Database.SqliteError && error.code.startsWith("SQLITE_FULL");
  return requestError(full ? "ENOSPC" : "EIO", `content.sqlite: ${messageOf(error)}`, error);
}

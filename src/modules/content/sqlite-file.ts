import { closeSync, openSync, statSync } from "node:fs";
import Database from "libsql";
import { messageOf, requestError } from "../../errors/index.js";

const KIB = 1024;
/** A file of version 0.3 up to this size is rewritten once, so that it can give space back. */
const REWRITE_MAX_BYTES = 64 * KIB * KIB;
/**
 * The number of pages in the write-ahead log before SQLite writes it back into the file, and the most bytes that the
 * log keeps afterwards.
 */
const WAL_PAGES = 512;
const WAL_BYTES = 2048 * KIB;

/**
 * Opens the file of a store; makes it, with its tables, if it is missing. A commit waits for the disk (WAL,
 * `synchronous=FULL`). Free pages go back to the disk page by page, which SQLite allows only if it is chosen before
 * the first table.
 * @throws `EIO` for a file that is no database
 */
export function openSqlite(path: string): Database.Database {
  // SQLite makes files that others may read. The log takes its mode from this file.
  closeSync(openSync(path, "a", 0o600));
  try {
    return prepared(path, false);
  } catch (error) {
    if (!isFull(error)) throw sqliteError(error);
  }
  try {
    // On a full disk there is no space for the index of the log, which other processes would need. The index is then
    // in memory.
    return prepared(path, true);
  } catch (error) {
    throw sqliteError(error);
  }
}

function prepared(path: string, isAlone: boolean): Database.Database {
  const db = new Database(path, { timeout: 10_000 });
  try {
    if (isAlone) db.exec("PRAGMA locking_mode = EXCLUSIVE");
    // It has to come before the first table. Later it would be a write, which fails on a full disk.
    if (statSync(path).size === 0) db.exec("PRAGMA auto_vacuum = INCREMENTAL");
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES}; PRAGMA wal_autocheckpoint = ${WAL_PAGES}`);
    makeTables(db, isAlone);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function makeTables(db: Database.Database, isAlone: boolean): void {
  db.exec("CREATE TABLE IF NOT EXISTS blobs (ref TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT");
  db.exec("CREATE TABLE IF NOT EXISTS checkpoints (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT");
  try {
    db.exec("CREATE TABLE IF NOT EXISTS kept (ref TEXT PRIMARY KEY) STRICT, WITHOUT ROWID");
  } catch (error) {
    if (!isAlone) throw error;
    // A file of version 0.3 has no such table, for which the full disk has no space.
    db.exec("PRAGMA temp_store = MEMORY; CREATE TEMP TABLE kept (ref TEXT PRIMARY KEY)");
  }
}

/** Makes a file of version 0.3 return free pages from now on. It needs as much space again while it runs. */
export function allowVacuum(db: Database.Database): void {
  const [mode, pages, pageBytes] = ["auto_vacuum", "page_count", "page_size"].map((name) => pragma(db, name));
  if (mode !== 0 || (pages ?? 0) * (pageBytes ?? 0) > REWRITE_MAX_BYTES) return;
  db.exec("PRAGMA auto_vacuum = INCREMENTAL; VACUUM");
}

/** A value that a pragma returns. */
export function pragma(db: Database.Database, name: string): number {
  const row: unknown = db.prepare(`PRAGMA ${name}`).get();
  const value: unknown = typeof row === "object" && row !== null ? Object.values(row)[0] : undefined;
  return Number(value);
}

/** Sizes of the file and its log on the disk. */
export function sqliteSize(path: string): { readonly bytes: number; readonly walBytes: number } {
  const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const walBytes = sizeOf(`${path}-wal`);
  return { bytes: sizeOf(path) + walBytes, walBytes };
}

/** An error of SQLite with its error number. */
export function sqliteError(error: unknown): Error {
  return requestError(isFull(error) ? "ENOSPC" : "EIO", `content.sqlite: ${messageOf(error)}`, error);
}

/** There was no space for a page of the file, of its log, or of the index of the log. */
function isFull(error: unknown): boolean {
  if (!(error instanceof Database.SqliteError)) return false;
  return /^SQLITE_(FULL|IOERR_SHM(SIZE|OPEN|MAP))/.test(error.code);
}

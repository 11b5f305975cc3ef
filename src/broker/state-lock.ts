import { closeSync, existsSync, openSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type Libsql from "libsql";
import { ERRNO, errnumOf, messageOf, SluiceError } from "../errors/index.js";

/** Holds a directory of durable state. */
export interface StateLock {
  release(): void;
}

/**
 * Prevents other instances from using the same directory of durable state. Two brokers that write their own versions
 * of it in turns would each lose the answers of the other. The lock is a lock of the kernel, through SQLite, so that
 * it ends with the process in any case. Node has no locks of its own.
 * @param directory the result of `openStateDirectory`
 * @param rank each rank of an instance has a lock of its own
 * @throws SluiceError `BROKER_STATE` with `EBUSY` if another instance holds it
 */
export function lockStateDirectory(directory: string, rank: number): StateLock {
  // A broker loads the native library only with a statedir.
  const Database = createRequire(import.meta.url)("libsql") as typeof Libsql;
  const file = join(directory, `lock-${rank}.sqlite`);
  // SQLite would make the file readable for other users. Closing a file that is already locked would release the
  // locks of this process.
  if (!existsSync(file)) closeSync(openSync(file, "a", 0o600));
  const database = new Database(file, { timeout: 0 });
  try {
    // A journal in memory needs no space on the disk, so that a store on a full disk can still be read.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    if (!isBusy(cause)) {
      throw new SluiceError("BROKER_STATE", `cannot lock statedir ${directory}: ${messageOf(cause)}`, {
        cause,
      });
    }
    const holder = holderOf(file);
    const who = holder === undefined ? "" : ` (pid ${holder.pid}: ${holder.command})`;
    throw new SluiceError("BROKER_STATE", `statedir ${directory} is in use by another instance${who}`, {
      cause,
      errnum: ERRNO.EBUSY,
    });
  }
  return { release: () => void database.close() };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "SQLITE_BUSY";
}

/** The process that holds a lock, from the list of the kernel; undefined if the list lacks it. */
function holderOf(file: string): { readonly pid: number; readonly command: string } | undefined {
  try {
    const { ino } = statSync(file);
    const line = readFileSync("/proc/locks", "utf8")
      .split("\n")
      .map((text) => text.trim().split(/\s+/))
      .find((words) => words[5]?.endsWith(`:${ino}`) === true && Number(words[4]) > 0);
    if (line === undefined) return undefined;
    const pid = Number(line[4]);
    return { pid, command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim() };
  } catch (error) {
    // There is no such list, or the process has ended in the meantime.
    if (errnumOf(error) === undefined) throw error;
    return undefined;
  }
}

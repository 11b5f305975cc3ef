/** The starts and finishes of the instance, in the KVS: what rc1 and rc3 note, and know the last life by. */
import type { Context } from "sluice/rc";

const KEY = "admin.eventlog";
const ENOSPC = 28;
/** Older entries are dropped. */
const ENTRIES_MAX = 100;

export interface LogEntry {
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly name: string;
}

/** Adds an event; gives the one before it, if there is any. */
export async function postEvent(c: Context, name: "start" | "finish"): Promise<LogEntry | undefined> {
  const before = await readEvents(c);
  const entries = [...before, { timestamp: Date.now() / 1000, name }].slice(-ENTRIES_MAX);
  await c.rpc("kvs.commit", { ops: [{ key: KEY, value: entries.map((entry) => ({ ...entry })) }] });
  return before.at(-1);
}

/** Runs what writes to the KVS; on a full disk an instance starts and ends all the same, with a warning. */
export async function unlessFull<T>(c: Context, write: () => Promise<T>): Promise<T | undefined> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof Error) || Reflect.get(error, "errnum") !== ENOSPC) throw error;
    const text = `the disk is full: values can be read, and none can be set (${error.message})`;
    await c.rpc("log.append", { level: "warning", text });
    return undefined;
  }
}

async function readEvents(c: Context): Promise<readonly LogEntry[]> {
  // `optional` gives an answer without a value where there is none yet.
  const answer = await c.rpc("kvs.get", { key: KEY, optional: true });
  const value = isTable(answer) ? answer["value"] : undefined;
  return Array.isArray(value) ? value.filter(isLogEntry) : [];
}

function isLogEntry(value: unknown): value is LogEntry {
  return isTable(value) && typeof value["timestamp"] === "number" && typeof value["name"] === "string";
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

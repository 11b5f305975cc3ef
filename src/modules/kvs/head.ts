import { isErrno, messageOf, requestError } from "../../errors/index.js";
import { fields, type JsonValue } from "../../messages/index.js";
import { BATCH_MAX } from "./batches.js";
import type { Content } from "./content.js";
import { decodeNode } from "./node.js";

/** A version of the store: its root, undefined while it is empty. */
export interface Head {
  readonly root: string | undefined;
  readonly version: number;
}

/** A version that was kept: at an orderly end, after some time with changes, or on demand. */
export interface Checkpoint extends Head {
  readonly number: number;
  /** Seconds since 1970. */
  readonly time: number;
  readonly reason: string;
}

/** Counters that are no longer in the store, with the highest value of each. */
export type Counters = Readonly<Record<string, number>>;

/** The state of the store at a start. */
export interface Recovered {
  readonly head: Head;
  /** The head before it, if it is still there. */
  readonly previous: Head | undefined;
  readonly checkpoints: readonly Checkpoint[];
  readonly counters: Counters;
  /** Whether a newer head was written. */
  readonly isOlder: boolean;
}

/** Names of the records of a store. */
export interface RecordNames {
  readonly head: string;
  readonly previous: string;
  readonly checkpoints: string;
  readonly counters: string;
}

export function recordNames(store: string): RecordNames {
  return {
    head: store,
    previous: `${store}.previous`,
    checkpoints: `${store}.checkpoints`,
    counters: `${store}.counters`,
  };
}

export function headRecord({ root, version }: Head): JsonValue {
  return { root: root ?? null, version };
}

export function checkpointRecord(checkpoints: readonly Checkpoint[]): JsonValue {
  return checkpoints.map(({ root, ...rest }) => ({ root: root ?? null, ...rest }));
}

/** @throws `EPROTO` */
export function parseHead(record: JsonValue): Head {
  const { root, version } = fields(record, { root: "string?", version: "integer" });
  return { root, version };
}

/** @throws `EPROTO` */
export function parseCheckpoints(record: JsonValue): readonly Checkpoint[] {
  const { list } = fields({ list: record }, { list: "array" });
  return list.map((item) => ({
    ...parseHead(item),
    ...fields(item, { number: "integer", time: "number", reason: "string" }),
  }));
}

/** @throws `EPROTO` */
function parseCounters(record: JsonValue): Counters {
  const { map } = fields({ map: record }, { map: "object" });
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, Number(value)]));
}

/**
 * Loads the state in the records of a store: the newest head, or the previous head if the newest is unreadable.
 * If both fail, it takes the newest readable checkpoint. It reads only the root and the nodes right below it (K10).
 * Damage further down shows when a read meets it.
 * @param warn called for each unreadable head, and for the head that replaces it
 * @throws `EIO` when there are heads, and all are unreadable
 */
export async function recoverHead(
  content: Content,
  store: string,
  warn: (text: string) => void,
): Promise<Recovered> {
  const names = recordNames(store);
  const read = async <T>(name: string, parse: (record: JsonValue) => T): Promise<T | undefined> => {
    try {
      const record = await content.record(name);
      return record === undefined ? undefined : parse(record);
    } catch (error) {
      if (!isDamage(error)) throw error;
      warn(`the record ${name} is damaged: ${messageOf(error)}`);
      return undefined;
    }
  };
  const [newest, previous, checkpoints = [], counters = {}] = await Promise.all([
    read(names.head, parseHead),
    read(names.previous, parseHead),
    read(names.checkpoints, parseCheckpoints),
    read(names.counters, parseCounters),
  ]);
  const candidates: Candidate[] = [];
  if (newest !== undefined) candidates.push({ head: newest, name: `version ${newest.version}` });
  if (previous !== undefined)
    candidates.push({ head: previous, name: `the previous version, ${previous.version}` });
  for (const checkpoint of checkpoints.toReversed()) {
    candidates.push({
      head: checkpoint,
      name: `checkpoint ${checkpoint.number} (version ${checkpoint.version})`,
    });
  }
  const chosen = await firstReadable(content, candidates, warn);
  const isOlder = chosen !== undefined && chosen.head !== newest;
  if (!isOlder) {
    return { head: newest ?? { root: undefined, version: 0 }, previous, checkpoints, counters, isOlder };
  }
  // The recovered state gets a new version, above every lost version that watchers and caches may have received.
  const known = Math.max(...candidates.map(({ head }) => head.version));
  const version = known + (newest === undefined ? BATCH_MAX : 0) + 1;
  return { head: { root: chosen.head.root, version }, previous: chosen.head, checkpoints, counters, isOlder };
}

interface Candidate {
  readonly head: Head;
  readonly name: string;
}

async function firstReadable(
  content: Content,
  candidates: readonly Candidate[],
  warn: (text: string) => void,
): Promise<Candidate | undefined> {
  const unreadable: string[] = [];
  let partly: Candidate | undefined;
  for (const candidate of candidates) {
    const problem = await problemOf(content, candidate.head);
    if (problem === undefined) {
      if (unreadable.length > 0) warn(`${unreadable.join("; ")}; continuing with ${candidate.name}`);
      return candidate;
    }
    if (problem.isPartial) partly ??= candidate;
    unreadable.push(`${candidate.name} cannot be read (${problem.text})`);
  }
  if (candidates.length === 0) return undefined;
  const text = `${unreadable.join("; ")}; see: sluice kvs fsck STATEDIR`;
  if (partly === undefined) throw requestError("EIO", text);
  warn(`${text}; continuing with the undamaged part of ${partly.name}`);
  return partly;
}

interface Problem {
  readonly text: string;
  /** The root is readable, but only a part of the nodes below it. */
  readonly isPartial: boolean;
}

/** Why the root of a version cannot be read; undefined if it can. */
async function problemOf(content: Content, { root }: Head): Promise<Problem | undefined> {
  if (root === undefined) return undefined;
  let isPartial = false;
  try {
    const top = decodeNode(await content.load(root), root);
    isPartial = true;
    if (top.kind === "inner") {
      const children = top.items.filter((item) => typeof item === "string");
      await Promise.all(children.map(async (ref) => decodeNode(await content.load(ref), ref)));
    }
    return undefined;
  } catch (error) {
    if (isDamage(error)) return { text: messageOf(error), isPartial };
    throw error;
  }
}

/** Whether stored data is missing or damaged. An absent provider is another error. */
function isDamage(error: unknown): boolean {
  return isErrno(error, "EIO") || isErrno(error, "ENOENT") || isErrno(error, "EPROTO");
}

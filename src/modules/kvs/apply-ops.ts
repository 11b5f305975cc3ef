import { hasControls, requestError } from "../../errors/index.js";
import { type JsonValue, type Payload, requestFields } from "../../messages/index.js";
import type { Counters } from "./head.js";
import { decodeKey, encodeKey, isBelow, prefixOf } from "./key.js";
import { counterEntry, counterValue, type Entry, makeEntry } from "./node.js";
import type { Found, Tree } from "./tree.js";

/** One change of a commit. */
export type Op =
  | { readonly kind: "put"; readonly key: string; readonly encoded: string; readonly entry: Entry }
  | { readonly kind: "add"; readonly key: string; readonly encoded: string; readonly amount: number }
  | { readonly kind: "unlink"; readonly key: string; readonly encoded: string };

/** The tree to change. */
export interface Keyspace {
  readonly tree: Tree;
  /** Removed counters. */
  readonly counters: Counters;
}

/** The changed tree, with the new values of counters, by key. */
export interface Applied extends Keyspace {
  readonly values: Readonly<Record<string, number>>;
}

/**
 * The changes of a `commit` request: `{ops: [{key, value} | {key, unlink: true} | {key, add: N}]}`.
 * @throws `EPROTO` for another shape, `EINVAL` for an invalid key, or for none or several of value, unlink and add
 */
export function parseOps(payload: Payload): readonly Op[] {
  return requestFields(payload, { ops: "array" }).ops.map(parseOp);
}

function parseOp(item: JsonValue): Op {
  const { key, value, unlink, add } = requestFields(item, {
    key: "string",
    value: "json?",
    unlink: "boolean?",
    add: "integer?",
  });
  const encoded = encodeKey(key);
  const kinds = [value !== undefined, unlink === true, add !== undefined].filter(Boolean);
  if (kinds.length !== 1)
    throw requestError("EINVAL", `${key}: a change must have exactly one of value, unlink and add`);
  // Keys of older stores may have control characters, and can still be read and unlinked.
  if (unlink !== true && hasControls(key))
    throw requestError("EINVAL", "invalid key: it has control characters");
  if (value !== undefined) return { kind: "put", key, encoded, entry: makeEntry(value) };
  if (add === undefined) return { kind: "unlink", key, encoded };
  if (add < 0) throw requestError("EINVAL", `${key}: a counter cannot decrease`);
  return { kind: "add", key, encoded, amount: add };
}

/**
 * Makes the changes, one after the other.
 * @throws `EISDIR` for a value where a directory is, `ENOTDIR` for a key below a value: no mistake loses
 *   either. `EINVAL` for adding to a value that is not a counter
 */
export async function applyOps(before: Keyspace, ops: readonly Op[]): Promise<Applied> {
  let applied: Applied = { ...before, values: {} };
  for (const op of ops) {
    switch (op.kind) {
      case "put":
        applied = { ...applied, ...(await put(applied, op, op.entry)) };
        break;
      case "add":
        applied = await add(applied, op);
        break;
      case "unlink":
        applied = { ...applied, ...(await unlink(applied, op.encoded)) };
        break;
    }
  }
  return applied;
}

type Target = Pick<Op, "key" | "encoded">;

async function put({ tree, counters }: Keyspace, { key, encoded }: Target, entry: Entry): Promise<Keyspace> {
  const before = await tree.nearest(encoded, "before");
  if (before?.key !== encoded) {
    // In the order of keys, all keys below a key follow it directly. A check of the two neighbours of the new key is
    // therefore enough.
    if (before !== undefined && isBelow(encoded, before.key)) {
      throw requestError("ENOTDIR", `cannot set ${key}: a key above it is a value`);
    }
    const after = await tree.nearest(encoded, "after");
    if (after !== undefined && isBelow(after.key, encoded)) {
      throw requestError("EISDIR", `cannot set ${key}: it is a directory`);
    }
  }
  const isCounter = counterValue(entry) !== undefined;
  const noted = before?.key === encoded && !isCounter ? noteCounters(counters, [before]) : counters;
  return { tree: await tree.set(encoded, entry), counters: noted };
}

async function add(before: Applied, op: Op & { readonly kind: "add" }): Promise<Applied> {
  const entry = await before.tree.get(op.encoded);
  const now = entry === undefined ? notedValue(before.counters, op.key) : counterValue(entry);
  if (now === undefined) throw requestError("EINVAL", `cannot add to ${op.key}: it is not a counter`);
  const value = now + op.amount;
  if (!Number.isSafeInteger(value))
    throw requestError("EINVAL", `cannot add to ${op.key}: it would be too large`);
  const after = await put(before, op, counterEntry(value));
  return { ...after, values: { ...before.values, [op.key]: value } };
}

/** Removes a value, or a directory with all keys in it. */
async function unlink({ tree, counters }: Keyspace, encoded: string): Promise<Keyspace> {
  const prefix = prefixOf(encoded);
  const removed: Found[] = [];
  let changed = tree;
  for (;;) {
    const found = await changed.nearest(encoded, "after");
    if (found === undefined || (found.key !== encoded && !found.key.startsWith(prefix))) break;
    if (counterValue(found.entry) !== undefined) removed.push(found);
    changed = await changed.delete(found.key);
  }
  return { tree: changed, counters: noteCounters(counters, removed) };
}

/** Notes the values of the counters among removed keys, with one copy for all. */
export function noteCounters(counters: Counters, removed: Iterable<Found>): Counters {
  let noted: Record<string, number> | undefined;
  for (const { key, entry } of removed) {
    const value = counterValue(entry);
    if (value === undefined) continue;
    const name = decodeKey(key);
    noted ??= { ...counters };
    const highest = Math.max(value, notedValue(noted, name));
    // An assignment to `__proto__` would set no property.
    Object.defineProperty(noted, name, {
      value: highest,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
  return noted ?? counters;
}

/** The name of a counter may be that of a property of all objects, such as `constructor`. */
function notedValue(counters: Counters, name: string): number {
  return Object.hasOwn(counters, name) ? (counters[name] ?? 0) : 0;
}

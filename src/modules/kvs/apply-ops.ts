import { requestError } from "../../errors/index.js";
import { fields, type JsonValue, type Payload } from "../../messages/index.js";
import { encodeKey, isBelow, prefixOf } from "./key.js";
import { type Entry, makeEntry } from "./node.js";
import type { Tree } from "./tree.js";

/** One change of a commit. */
export type Op =
  | { readonly kind: "put"; readonly key: string; readonly encoded: string; readonly entry: Entry }
  | { readonly kind: "unlink"; readonly key: string; readonly encoded: string };

/**
 * The changes of a `commit` request: `{ops: [{key, value} | {key, unlink: true}]}`.
 * @throws `EPROTO` for another shape, `EINVAL` for an invalid key, both or neither of value and unlink
 */
export function parseOps(payload: Payload): readonly Op[] {
  return fields(payload, { ops: "array" }).ops.map(parseOp);
}

function parseOp(item: JsonValue): Op {
  const { key, value, unlink } = fields(item, { key: "string", value: "json?", unlink: "boolean?" });
  const encoded = encodeKey(key);
  if ((value === undefined) !== (unlink === true)) {
    throw requestError("EINVAL", `${key}: a change has either a value or unlink`);
  }
  return value === undefined
    ? { kind: "unlink", key, encoded }
    : { kind: "put", key, encoded, entry: makeEntry(value) };
}

/**
 * The tree after the changes, one after the other.
 * @throws `EISDIR` for a value where a directory is, `ENOTDIR` for a key below a value: neither is lost by mistake
 */
export async function applyOps(tree: Tree, ops: readonly Op[]): Promise<Tree> {
  let changed = tree;
  for (const op of ops) {
    changed = op.kind === "put" ? await put(changed, op) : await unlink(changed, op.encoded);
  }
  return changed;
}

async function put(tree: Tree, op: Op & { readonly kind: "put" }): Promise<Tree> {
  const before = await tree.nearest(op.encoded, "before");
  if (before?.key !== op.encoded) {
    // The order of keys has all that lies below a key right after it, so that its two neighbours tell all.
    if (before !== undefined && isBelow(op.encoded, before.key)) {
      throw requestError("ENOTDIR", `cannot set ${op.key}: a key that it begins with is a value`);
    }
    const after = await tree.nearest(op.encoded, "after");
    if (after !== undefined && isBelow(after.key, op.encoded)) {
      throw requestError("EISDIR", `cannot set ${op.key}: it is a directory`);
    }
  }
  return await tree.set(op.encoded, op.entry);
}

/** Takes out a value, or a directory with all that is in it. */
async function unlink(tree: Tree, encoded: string): Promise<Tree> {
  let changed = await tree.delete(encoded);
  if (changed !== tree) return changed;
  const prefix = prefixOf(encoded);
  let found = await changed.nearest(prefix, "after");
  while (found?.key.startsWith(prefix) === true) {
    changed = await changed.delete(found.key);
    found = await changed.nearest(prefix, "after");
  }
  return changed;
}

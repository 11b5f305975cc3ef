import { requestError } from "../../errors/index.js";
import type { JsonValue } from "../../messages/index.js";
import { blobref, type StoredBlob } from "../content/blob.js";
import { parseJson } from "../content/json.js";

/**
 * A longer value (bytes of its JSON text) is a blob of its own, so that a leaf stays small when it is written again.
 */
const INLINE_MAX_BYTES = 256;

/** A value in a leaf; `pending` is the text of a blob that is not stored yet. */
export type Entry =
  | { readonly value: JsonValue; readonly isCounter?: boolean | undefined }
  | { readonly ref: string; readonly pending?: string | undefined };

/** A subtree: the reference of its blob, or the node itself while it was not stored yet. */
export type Child = string | TreeNode;

/** The common part of leaves and inner nodes: as many keys as items. */
export interface NodeOf<Kind, Item> {
  readonly kind: Kind;
  readonly keys: readonly string[];
  readonly items: readonly Item[];
}

/** Keys, ascending, and their contents. */
export type Leaf = NodeOf<"leaf", Entry>;

/**
 * `keys[i]` ≤ every key below `items[i]` and > every key below `items[i - 1]`. Where the node has a parent, `keys[0]`
 * is the parent's key for it. A search ignores it.
 */
export type Inner = NodeOf<"inner", Child>;

export type TreeNode = Leaf | Inner;

/** A number that only increases, even after its removal (docs/store.md). */
export function counterEntry(value: number): Entry {
  return { value, isCounter: true };
}

/** The value of a counter; undefined for any other entry. */
export function counterValue(entry: Entry): number | undefined {
  return "value" in entry && entry.isCounter === true ? Number(entry.value) : undefined;
}

/** @throws `EINVAL` for a value that is nested too deeply to be written as JSON */
export function makeEntry(value: JsonValue): Entry {
  const text = stringify(value);
  const bytes = Buffer.from(text);
  return bytes.length <= INLINE_MAX_BYTES ? { value } : { ref: blobref(bytes), pending: text };
}

function stringify(value: JsonValue): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) throw requestError("EINVAL", "the value is nested too deeply", error);
    throw error;
  }
}

/** The functions that store trees. */
export interface Flushed {
  /** The roots of the trees, in the same order. */
  readonly roots: readonly (string | undefined)[];
  readonly blobs: readonly StoredBlob[];
  /** The new nodes in the form in which they would be read back. */
  readonly nodes: readonly { readonly ref: string; readonly node: TreeNode; readonly bytes: number }[];
}

/** The blobs of all new nodes and values in trees. The recursion is as deep as a tree: log n. */
export function flush(tops: readonly (Child | undefined)[]): Flushed {
  const blobs: StoredBlob[] = [];
  const nodes: { ref: string; node: TreeNode; bytes: number }[] = [];
  const store = (child: Child): string => {
    if (typeof child === "string") return child;
    const node = child.kind === "leaf" ? settle(child, blobs) : { ...child, items: child.items.map(store) };
    const bytes = encodeNode(node);
    const ref = blobref(bytes);
    blobs.push({ ref, bytes });
    nodes.push({ ref, node, bytes: bytes.length });
    return ref;
  };
  const roots = tops.map((top) => (top === undefined ? undefined : store(top)));
  return { roots, blobs, nodes };
}

function settle(leaf: Leaf, blobs: StoredBlob[]): Leaf {
  const items = leaf.items.map((entry) => {
    if (!("ref" in entry) || entry.pending === undefined) return entry;
    blobs.push({ ref: entry.ref, bytes: Buffer.from(entry.pending) });
    return { ref: entry.ref };
  });
  return { ...leaf, items };
}

function encodeItem(entry: Entry): JsonValue {
  if ("ref" in entry) return entry.ref;
  return entry.isCounter === true ? [entry.value, "counter"] : [entry.value];
}

export function encodeNode(node: TreeNode): Uint8Array {
  const items = node.kind === "inner" ? node.items : node.items.map(encodeItem);
  return Buffer.from(JSON.stringify({ [node.kind]: items, keys: node.keys }));
}

/** @throws `EIO` if the blob is not a node */
export function decodeNode(bytes: Uint8Array, ref: string): TreeNode {
  const parsed: unknown = parseJson(bytes);
  if (typeof parsed === "object" && parsed !== null && "keys" in parsed && isTexts(parsed.keys)) {
    const { keys } = parsed;
    if ("inner" in parsed && isTexts(parsed.inner)) return { kind: "inner", keys, items: parsed.inner };
    if ("leaf" in parsed && Array.isArray(parsed.leaf)) {
      return { kind: "leaf", keys, items: parsed.leaf.map((item: JsonValue) => decodeEntry(item, ref)) };
    }
  }
  throw requestError(
    "EIO",
    `blob ${ref} of the KVS is not a node of its tree; check the store with 'sluice kvs fsck'`,
  );
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function decodeEntry(item: JsonValue, ref: string): Entry {
  if (typeof item === "string") return { ref: item };
  const [value, kind] = Array.isArray(item) ? (item as readonly JsonValue[]) : [];
  if (value === undefined) {
    throw requestError(
      "EIO",
      `blob ${ref} of the KVS has an invalid entry; check the store with 'sluice kvs fsck'`,
    );
  }
  return kind === "counter" ? { value, isCounter: true } : { value };
}

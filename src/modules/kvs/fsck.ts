import { isErrno, messageOf, requestError } from "../../errors/index.js";
import type { Backing } from "../content/backing.js";
import type { Batch } from "../content/batch.js";
import { blobref } from "../content/blob.js";
import type { Content } from "./content.js";
import { type Checkpoint, type Head, parseCheckpoints, parseHead, recordNames } from "./head.js";
import { decodeKey } from "./key.js";
import { decodeNode, type Entry, type TreeNode } from "./node.js";
import type { Found } from "./tree.js";

/** An unreadable part of a store. */
export interface Damage {
  /** `version 7`, `checkpoint 2`. */
  readonly in: string;
  readonly kind: "record" | "keys" | "value";
  /** The key; for `keys`, the first one that may be missing. */
  readonly key: string;
  /** The first readable key after the damage; absent at the end. */
  readonly until?: string;
  /** The number of keys before it. */
  readonly position: number;
  /** The bytes that remain. */
  readonly bytes: number;
  readonly problem: string;
}

/** The findings in a version, in the order of keys. */
export type Met =
  | { readonly kind: "entry"; readonly found: Found }
  | { readonly kind: "damaged"; readonly damage: Damage; readonly bytes: Uint8Array | undefined };

/** A version of a store that is to be checked. */
export interface NamedHead extends Head {
  readonly name: string;
  readonly checkpoint?: Checkpoint;
}

interface Range {
  readonly from: string;
  readonly until: string | undefined;
}

/** A store in the form for the KVS, without the services in between. */
export function directContent(store: Backing): Content {
  return {
    commit: async (batch: Batch) => {
      await store.commit(batch);
      return batch.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);
    },
    load: async (ref) => {
      const bytes = await store.load(ref);
      if (bytes === undefined) throw requestError("EIO", `blob ${ref} is missing`);
      if (blobref(bytes) !== ref) throw requestError("EIO", `blob ${ref} is damaged`);
      return bytes;
    },
    record: (key) => store.record(key),
    collect: async (pins) => (await store.collect(pins)).liveBytes,
    size: () => Promise.resolve(store.size().bytes),
  };
}

/** The versions that a store keeps, newest first, and the unreadable parts of its records. */
export async function keptHeads(
  store: Backing,
  name: string,
): Promise<{ readonly heads: readonly NamedHead[]; readonly damages: readonly Damage[] }> {
  const names = recordNames(name);
  const damages: Damage[] = [];
  const heads: NamedHead[] = [];
  const read = async (key: string, take: (value: unknown) => void): Promise<void> => {
    try {
      const record = await store.record(key);
      if (record !== undefined) take(record);
    } catch (error) {
      if (!isErrno(error, "EIO") && !isErrno(error, "EPROTO")) throw error;
      damages.push({ in: "records", kind: "record", key, position: 0, bytes: 0, problem: messageOf(error) });
    }
  };
  const add = (record: unknown): void => {
    const head = parseHead(record as never);
    heads.push({ ...head, name: `version ${head.version}` });
  };
  await read(names.head, add);
  await read(names.previous, add);
  await read(names.checkpoints, (record) => {
    for (const checkpoint of parseCheckpoints(record as never).toReversed()) {
      heads.push({ ...checkpoint, name: `checkpoint ${checkpoint.number}`, checkpoint });
    }
  });
  return { heads, damages };
}

/** Walks through all keys of a version, and reads every node and every value. */
export class VersionWalk {
  readonly #store: Backing;
  readonly #head: NamedHead;
  #position = 0;

  constructor(store: Backing, head: NamedHead) {
    this.#store = store;
    this.#head = head;
  }

  /** The number of keys so far. */
  get keys(): number {
    return this.#position;
  }

  async *all(): AsyncGenerator<Met, void> {
    if (this.#head.root !== undefined) yield* this.#below(this.#head.root, { from: "", until: undefined });
  }

  async *#below(ref: string, range: Range): AsyncGenerator<Met, void> {
    const { bytes, problem } = await readable(this.#store, ref);
    const node = problem === undefined ? nodeOf(ref, bytes) : `the node ${ref} is unreadable: ${problem}`;
    if (typeof node === "string") {
      yield this.#lost({ ...range, problem: node, bytes });
      return;
    }
    for (const [index, key] of node.keys.entries()) {
      const item = node.items[index];
      if (item === undefined) continue;
      if (node.kind === "leaf") yield await this.#entry(key, item as Entry);
      else if (typeof item === "string") {
        // The first key of a node is its boundary in the node above.
        const from = index === 0 ? range.from : key;
        yield* this.#below(item, { from, until: node.keys[index + 1] ?? range.until });
      }
    }
  }

  async #entry(key: string, entry: Entry): Promise<Met> {
    const position = this.#position++;
    if ("value" in entry) return { kind: "entry", found: { key, entry } };
    const { bytes, problem: unreadable } = await readable(this.#store, entry.ref);
    if (bytes !== undefined && blobref(bytes) === entry.ref) return { kind: "entry", found: { key, entry } };
    const state = bytes === undefined ? "missing" : "damaged";
    const problem = `the value ${entry.ref} is ${unreadable === undefined ? state : `unreadable: ${unreadable}`}`;
    const damage: Damage = {
      ...{ in: this.#head.name, kind: "value", key: decodeKey(key) },
      ...{ position, bytes: bytes?.length ?? 0, problem },
    };
    return { kind: "damaged", damage, bytes };
  }

  #lost({ from, until, problem, bytes }: Range & { problem: string; bytes: Uint8Array | undefined }): Met {
    const damage: Damage = {
      ...{ in: this.#head.name, kind: "keys", key: decodeKey(from) },
      ...(until !== undefined && { until: decodeKey(until) }),
      ...{ position: this.#position, bytes: bytes?.length ?? 0, problem },
    };
    return { kind: "damaged", damage, bytes: undefined };
  }
}

/** Whether the top of a version can be read. */
export async function hasRoot(store: Backing, { root }: Head): Promise<boolean> {
  return root === undefined || typeof nodeOf(root, (await readable(store, root)).bytes) !== "string";
}

/** The bytes of a blob, or the problem for which the store cannot read them. */
async function readable(
  store: Backing,
  ref: string,
): Promise<{ readonly bytes: Uint8Array | undefined; readonly problem?: string }> {
  try {
    return { bytes: await store.load(ref) };
  } catch (error) {
    if (!isErrno(error, "EIO")) throw error;
    return { bytes: undefined, problem: messageOf(error) };
  }
}

/** The node of a blob, or a text about the damage. */
function nodeOf(ref: string, bytes: Uint8Array | undefined): TreeNode | string {
  if (bytes === undefined) return `the node ${ref} is missing`;
  if (blobref(bytes) !== ref) return `the node ${ref} is damaged`;
  return decodeNode(bytes, ref);
}

import { isErrno, requestError } from "../../errors/index.js";
import { fields, type JsonValue } from "../../messages/index.js";
import { parseJson } from "../content/json.js";
import { ByteLru } from "../content/lru.js";
import { applyOps, type Op } from "./apply-ops.js";
import { Batches } from "./batches.js";
import type { Content } from "./content.js";
import { childAt, encodeKey, isBelow, pastSubtree, prefixOf } from "./key.js";
import { type Blob, decodeNode, type Entry, flush, type TreeNode } from "./node.js";
import { Tree } from "./tree.js";

/** An entry of a directory: a value, or (`dir`) a directory. */
export interface DirEntry {
  readonly name: string;
  readonly dir: boolean;
}

const NODE_CACHE_BYTES = 32 * 1024 * 1024;
/** Blobs that are under way at a time. */
const STORE_CHUNK = 512;

/** Called in the order of versions, when the commit is durable, before it is answered. */
type CommitListener = (version: number, ops: readonly Op[]) => void;

interface Waiting {
  readonly ops: readonly Op[];
  readonly resolve: (version: number) => void;
  readonly reject: (error: unknown) => void;
}

/** What readers see: always durable. */
interface Snapshot {
  readonly tree: Tree;
  readonly version: number;
}

/**
 * Keys with JSON values as a copy-on-write tree of blobs; the checkpoint has its root and the version. Commits that come
 * while one is being written share the next write, each with a version of its own.
 */
export class KvsStore {
  readonly #content: Content;
  readonly #checkpointKey: string;
  readonly #onCommit: CommitListener;
  readonly #batches = new Batches<Waiting>((batch) => this.#writeBatch(batch));
  readonly #nodes = new ByteLru<TreeNode>(NODE_CACHE_BYTES);
  #snapshot: Snapshot;

  constructor(content: Content, checkpointKey: string, onCommit: CommitListener) {
    this.#content = content;
    this.#checkpointKey = checkpointKey;
    this.#onCommit = onCommit;
    this.#snapshot = { tree: this.#tree(undefined), version: 0 };
  }

  get version(): number {
    return this.#snapshot.version;
  }

  /** Takes up what the checkpoint has; without one the store is empty, at version 0. */
  async recover(): Promise<void> {
    try {
      const checkpoint = fields(await this.#content.getCheckpoint(this.#checkpointKey), {
        root: "string?",
        version: "integer",
      });
      this.#snapshot = { tree: this.#tree(checkpoint.root), version: checkpoint.version };
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }

  /** @throws `ENOENT`, `EISDIR`, `EINVAL` */
  async get(key: string): Promise<{ readonly value: JsonValue; readonly version: number }> {
    const encoded = encodeKey(key);
    const { tree, version } = this.#snapshot;
    const found = await tree.nearest(encoded, "after");
    if (found?.key === encoded) return { value: await this.#valueOf(found.entry), version };
    if (found !== undefined && isBelow(found.key, encoded)) {
      throw requestError("EISDIR", `${key} is a directory`);
    }
    throw requestError("ENOENT", `no key ${key}`);
  }

  /** As `get`, but a key that has no value gives the version in which it has none. */
  async getOptional(key: string): Promise<{ readonly value?: JsonValue; readonly version: number }> {
    const { version } = this.#snapshot;
    try {
      return await this.get(key);
    } catch (error) {
      if (isErrno(error, "ENOENT") || isErrno(error, "EISDIR")) return { version };
      throw error;
    }
  }

  /**
   * Names directly below a directory, sorted; of the whole store without a key.
   * @throws `ENOENT`, `ENOTDIR` for a value, `EINVAL`
   */
  async dir(key: string | undefined): Promise<readonly DirEntry[]> {
    const encoded = key === undefined ? undefined : encodeKey(key);
    const prefix = prefixOf(encoded);
    const { tree } = this.#snapshot;
    const entries: DirEntry[] = [];
    let found = await tree.nearest(prefix, "after");
    while (found?.key.startsWith(prefix) === true) {
      const child = childAt(found.key, prefix);
      entries.push(child);
      found = await tree.nearest(pastSubtree(prefix + child.name), "after");
    }
    if (key === undefined || encoded === undefined || entries.length > 0) return entries;
    const value = await tree.get(encoded);
    throw value === undefined
      ? requestError("ENOENT", `no directory ${key}`)
      : requestError("ENOTDIR", `${key} is a value`);
  }

  /** Makes all of the changes or none; resolves to the version when they are durable. */
  async commit(ops: readonly Op[]): Promise<number> {
    return await new Promise((resolve, reject) => {
      this.#batches.add({ ops, resolve, reject });
    });
  }

  /** Resolves when all commits so far have been answered. */
  async idle(): Promise<void> {
    await this.#batches.idle();
  }

  /** Settles each commit of the batch itself, and so never rejects. */
  async #writeBatch(batch: readonly Waiting[]): Promise<void> {
    let next = this.#snapshot;
    const accepted: { readonly waiting: Waiting; readonly version: number }[] = [];
    for (const waiting of batch) {
      try {
        next = { tree: await applyOps(next.tree, waiting.ops), version: next.version + 1 };
        accepted.push({ waiting, version: next.version });
      } catch (error) {
        waiting.reject(error);
      }
    }
    if (accepted.length === 0) return;
    try {
      this.#snapshot = await this.#write(next);
    } catch (error) {
      await this.#failed(
        accepted.map(({ waiting }) => waiting),
        error,
      );
      return;
    }
    for (const { waiting, version } of accepted) {
      this.#onCommit(version, waiting.ops);
      waiting.resolve(version);
    }
  }

  /** One commit, too large to be stored perhaps, must not take the others of its batch with it. */
  async #failed(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (batch.length === 1) for (const { reject } of batch) reject(error);
    else for (const waiting of batch) await this.#writeBatch([waiting]);
  }

  /** Stores what is new, and only then the checkpoint that refers to it. */
  async #write({ tree, version }: Snapshot): Promise<Snapshot> {
    const { root, blobs, nodes } = flush(tree.root);
    for (let at = 0; at < blobs.length; at += STORE_CHUNK) {
      await Promise.all(blobs.slice(at, at + STORE_CHUNK).map((blob) => this.#store(blob)));
    }
    await this.#content.putCheckpoint(this.#checkpointKey, { root: root ?? null, version });
    for (const { ref, node, bytes } of nodes) this.#nodes.set(ref, node, bytes);
    return { tree: this.#tree(root), version };
  }

  async #store({ ref, bytes }: Blob): Promise<void> {
    const stored = await this.#content.store(bytes);
    if (stored !== ref) throw requestError("EIO", "the content store made another digest of a blob");
  }

  #tree(root: string | undefined): Tree {
    return new Tree((ref) => this.#nodes.get(ref) ?? this.#loadNode(ref), root);
  }

  async #loadNode(ref: string): Promise<TreeNode> {
    const bytes = await this.#content.load(ref);
    const node = decodeNode(bytes);
    this.#nodes.set(ref, node, bytes.length);
    return node;
  }

  async #valueOf(entry: Entry): Promise<JsonValue> {
    if ("value" in entry) return entry.value;
    return parseJson(await this.#content.load(entry.ref));
  }
}

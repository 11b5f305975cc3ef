import { isErrno, requestError } from "../../errors/index.js";
import type { JsonValue } from "../../messages/index.js";
import type { Records } from "../content/batch.js";
import { parseJson } from "../content/json.js";
import { ByteLru } from "../content/lru.js";
import { type Applied, applyOps, type Keyspace, type Op } from "./apply-ops.js";
import { Batches } from "./batches.js";
import type { Content } from "./content.js";
import { Garbage } from "./garbage.js";
import {
  type Checkpoint,
  checkpointRecord,
  type Counters,
  type Head,
  headRecord,
  type RecordNames,
  recordNames,
  recoverHead,
} from "./head.js";
import { decodeNode, type Entry, flush, type TreeNode } from "./node.js";
import { Pins } from "./pins.js";
import { type DirEntry, readDirectory, readKey } from "./read.js";
import { Tree } from "./tree.js";

const NODE_CACHE_BYTES = 32 * 1024 * 1024;

/** The keys that a commit has changed; `all` after a restore. */
export interface Commit {
  readonly version: number;
  readonly keys: readonly string[];
  readonly all?: true;
}

export interface StoreOptions {
  readonly content: Content;
  /** The prefix of the names of its records. */
  readonly name: string;
  /** Called for each durable commit before its answer, in the order of versions. */
  readonly onCommit: (commit: Commit) => void;
  readonly warn: (text: string) => void;
  /** The number of readable versions, including the newest. */
  readonly history: number;
  /** The number of checkpoints that are kept. */
  readonly checkpoints: number;
}

/** The state for readers: always durable. */
interface Snapshot extends Head {
  readonly tree: Tree;
}

/** The state of the store after a batch of changes. */
interface Draft extends Keyspace {
  readonly version: number;
  /** The reason for a checkpoint of this version. */
  readonly reason?: string;
  /** Whether it may use the reserved space. */
  readonly isLast?: boolean;
}

/** The written data. */
interface Saved {
  readonly head: Head;
  readonly newest: Checkpoint | undefined;
}

/** One change: makes the next draft, and gets a call when the draft is durable. */
interface Change {
  readonly make: (draft: Draft) => Promise<{ readonly draft: Draft; readonly done: (saved: Saved) => void }>;
  readonly reject: (error: unknown) => void;
}

/**
 * Keys with JSON values as a copy-on-write tree of blobs. The head has its root and the version. Commits that arrive
 * during a write share the next write, each with a version of its own. A write is one batch of blobs and records, so
 * no head is ever stored before the blobs that it refers to.
 */
export class KvsStore {
  readonly #options: StoreOptions;
  readonly #names: RecordNames;
  readonly #batches = new Batches<Change>((batch) => this.#writeBatch(batch));
  readonly #nodes = new ByteLru<TreeNode>(NODE_CACHE_BYTES);
  readonly #pins = new Pins();
  readonly garbage: Garbage;
  #snapshot: Snapshot;
  #counters: Counters = {};
  #checkpoints: readonly Checkpoint[] = [];
  /** The kept heads, the oldest first. */
  #history: readonly Head[] = [];

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#names = recordNames(options.name);
    this.#snapshot = this.#snapshotOf({ root: undefined, version: 0 });
    this.garbage = new Garbage({
      content: options.content,
      pins: () => [...this.#pins.roots, ...this.#history.flatMap(({ root }) => root ?? [])],
      warn: options.warn,
    });
  }

  get version(): number {
    return this.#snapshot.version;
  }

  get checkpoints(): readonly Checkpoint[] {
    return this.#checkpoints;
  }

  /** Loads the state in the records; without records the store is empty, at version 0. */
  async recover(): Promise<void> {
    const { content, name, warn } = this.#options;
    const { head, previous, checkpoints, counters, isOlder } = await recoverHead(content, name, warn);
    this.#snapshot = this.#snapshotOf(head);
    this.#counters = counters;
    this.#checkpoints = checkpoints;
    this.#history = previous === undefined ? [head] : [previous, head];
    // An unreadable version must not become the newest again.
    if (isOlder) await content.commit({ blobs: [], records: { [this.#names.head]: headRecord(head) } });
    await this.garbage.begin();
  }

  /**
   * The value of a key, in the newest version or one of the history.
   * @throws `ENOENT`, `EISDIR`, `EINVAL`; `ENODATA` for a version that is not kept
   */
  async get(key: string, version?: number): Promise<{ readonly value: JsonValue; readonly version: number }> {
    return await this.read(version, async ({ tree, version: seen }) => {
      const value = await readKey(tree, key, (entry) => this.valueOf(entry));
      return { value, version: seen };
    });
  }

  /** As `get`, but a key that has no value gives the version in which it has none. */
  async getOptional(
    key: string,
    at?: number,
  ): Promise<{ readonly value?: JsonValue; readonly version: number }> {
    const { version } = this.#snapshot;
    try {
      return await this.get(key, at);
    } catch (error) {
      if (isErrno(error, "ENOENT") || isErrno(error, "EISDIR")) return { version: at ?? version };
      throw error;
    }
  }

  /** @throws `ENOENT`, `ENOTDIR` for a value, `EINVAL`, `ENODATA` */
  async dir(key: string | undefined, version?: number): Promise<readonly DirEntry[]> {
    return await this.read(version, ({ tree }) => readDirectory(tree, key));
  }

  /**
   * Reads one version, which is protected from garbage collection meanwhile.
   * @throws `ENODATA` for a version that is not kept
   */
  async read<T>(version: number | undefined, reader: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    const { snapshot, release } = this.pin(version);
    try {
      return await reader(snapshot);
    } finally {
      release();
    }
  }

  /** A version, and the function to call at the end of the read. */
  pin(version?: number): { readonly snapshot: Snapshot; readonly release: () => void } {
    const snapshot = version === undefined ? this.#snapshot : this.#kept(version);
    return { snapshot, release: this.#pins.take(snapshot.root) };
  }

  /** Keeps everything below a root from garbage collection until the returned function is called. */
  protect(root: string | undefined): () => void {
    return this.#pins.take(root);
  }

  /** Makes either all of the changes or no change. Resolves when they are durable. */
  async commit(ops: readonly Op[]): Promise<Pick<Applied, "values"> & { readonly version: number }> {
    return await this.#change(async (draft) => {
      const { values, ...keyspace } = await applyOps(draft, ops);
      const version = draft.version + 1;
      return {
        draft: { ...draft, ...keyspace, version },
        commit: commitOf(version, ops),
        result: { values, version },
      };
    });
  }

  /**
   * Replaces all keys, in a new version above all earlier ones.
   * @param make returns the new value for the value at that time
   * @param version the new version is not below this one
   */
  async replace(make: (before: Keyspace) => Promise<Keyspace>, version = 0): Promise<number> {
    return await this.#change(async (draft) => {
      const next = Math.max(draft.version + 1, version);
      const keyspace = await make(draft);
      const commit: Commit = { version: next, keys: [], all: true };
      return { draft: { ...draft, ...keyspace, version: next }, commit, result: next };
    });
  }

  /**
   * Keeps the newest version. A version with a checkpoint does not get a second one.
   * @param isLast whether the instance ends, so that the reserved space may be used
   */
  async checkpoint(reason: string, isLast = false): Promise<Checkpoint> {
    return await new Promise((resolve, reject) => {
      this.#batches.add({
        make: (draft) =>
          Promise.resolve({
            draft: { ...draft, reason, isLast },
            done: ({ newest }) => {
              if (newest === undefined)
                reject(requestError("EINVAL", "kvs.checkpoints is 0, which disables checkpoints"));
              else resolve(newest);
            },
          }),
        reject,
      });
    });
  }

  /** Collects blobs that no version reaches. @throws `EBUSY` during a restore */
  async collect(): Promise<void> {
    for (let isDone = false; !isDone;) {
      const { started, ended } = await this.#between(() => this.garbage.start());
      await ended;
      isDone = started;
    }
  }

  /** Collects garbage if there were writes since the last time. Does not wait. */
  collectIfWritten(): void {
    this.#batches.between(() => this.garbage.collectIfWritten());
  }

  /** The tree of a version that is kept, for example in a checkpoint. */
  treeOf(root: string | undefined): Tree {
    return new Tree((ref) => this.#nodes.get(ref) ?? this.#loadNode(ref), root);
  }

  async valueOf(entry: Entry): Promise<JsonValue> {
    if ("value" in entry) return entry.value;
    return parseJson(await this.#options.content.load(entry.ref));
  }

  /** Resolves when all changes so far have been answered. */
  async idle(): Promise<void> {
    await this.#batches.idle();
  }

  #between<T>(run: () => T): Promise<T> {
    return new Promise((resolve) => {
      // An exception rejects the inner promise, and with it the outer one.
      this.#batches.between(() => resolve(new Promise((done) => done(run()))));
    });
  }

  #snapshotOf({ root, version }: Head): Snapshot {
    return { tree: this.treeOf(root), root, version };
  }

  #kept(version: number): Snapshot {
    if (version === this.#snapshot.version) return this.#snapshot;
    const found = this.#history.find((head) => head.version === version);
    if (found !== undefined) return this.#snapshotOf(found);
    const oldest = this.#history[0]?.version ?? this.#snapshot.version;
    throw requestError(
      "ENODATA",
      `version ${version} is not kept: the store has ${oldest} to ${this.version}`,
    );
  }

  async #change<T>(
    make: (draft: Draft) => Promise<{ readonly draft: Draft; readonly commit: Commit; readonly result: T }>,
  ): Promise<T> {
    return await new Promise((resolve, reject) => {
      this.#batches.add({
        make: async (before) => {
          const { draft, commit, result } = await make(before);
          const done = (): void => {
            this.#options.onCommit(commit);
            resolve(result);
          };
          return { draft, done };
        },
        reject,
      });
    });
  }

  /** Settles each change of the batch itself, and so never rejects. */
  async #writeBatch(batch: readonly Change[]): Promise<void> {
    let draft: Draft = { ...this.#snapshot, counters: this.#counters };
    const drafts: Draft[] = [];
    const accepted: { readonly change: Change; readonly done: (saved: Saved) => void }[] = [];
    for (const change of batch) {
      try {
        const made = await change.make(draft);
        draft = made.draft;
        drafts.push(draft);
        accepted.push({ change, done: made.done });
      } catch (error) {
        change.reject(error);
      }
    }
    if (accepted.length === 0) return;
    let saved: Saved;
    try {
      saved = await this.#write(draft, drafts);
    } catch (error) {
      await this.#failed(
        accepted.map(({ change }) => change),
        error,
      );
      return;
    }
    for (const { done } of accepted) done(saved);
    this.garbage.collectIfWorth();
  }

  /** One failed commit, for example an oversized one, must not make the others of its batch fail. */
  async #failed(batch: readonly Change[], error: unknown): Promise<void> {
    if (batch.length === 1 || isErrno(error, "EAGAIN")) for (const { reject } of batch) reject(error);
    else for (const change of batch) await this.#writeBatch([change]);
  }

  async #write(draft: Draft, drafts: readonly Draft[]): Promise<Saved> {
    const { content, history } = this.#options;
    const recent = drafts
      .filter(({ version }, index) => version !== drafts[index + 1]?.version)
      .slice(-history);
    const { roots, blobs, nodes } = flush(recent.map(({ tree }) => tree.root));
    const heads = recent.map(({ version }, index): Head => ({ root: roots[index], version }));
    const head = heads.at(-1) ?? this.#snapshot;
    const checkpoints = this.#withCheckpoint(head, draft.reason);
    const records: Records = {
      ...this.#headRecords(head),
      ...(checkpoints !== this.#checkpoints && { [this.#names.checkpoints]: checkpointRecord(checkpoints) }),
      ...(draft.counters !== this.#counters && { [this.#names.counters]: draft.counters }),
    };
    if (Object.keys(records).length > 0) {
      // Writes the records together with all their references, because a store of files keeps both until a
      // collection.
      this.garbage.wrote(await content.commit({ blobs, records, last: draft.isLast === true }));
    }
    for (const { ref, node, bytes } of nodes) this.#nodes.set(ref, node, bytes);
    if (head.version !== this.#snapshot.version) {
      this.#history = [...this.#history, ...heads].slice(-Math.max(1, history));
      this.#snapshot = this.#snapshotOf(head);
    }
    this.#checkpoints = checkpoints;
    this.#counters = draft.counters;
    return { head, newest: checkpoints.at(-1) };
  }

  /** The previous head stays, as a replacement for an unreadable newest head. */
  #headRecords(head: Head): Records {
    const before = this.#snapshot;
    if (head.version === before.version) return {};
    return { [this.#names.previous]: headRecord(before), [this.#names.head]: headRecord(head) };
  }

  #withCheckpoint({ root, version }: Head, reason: string | undefined): readonly Checkpoint[] {
    const newest = this.#checkpoints.at(-1);
    if (reason === undefined || newest?.version === version) return this.#checkpoints;
    const checkpoint = { root, version, number: (newest?.number ?? 0) + 1, time: Date.now() / 1000, reason };
    const { checkpoints: most } = this.#options;
    return most === 0 ? this.#checkpoints : [...this.#checkpoints, checkpoint].slice(-most);
  }

  async #loadNode(ref: string): Promise<TreeNode> {
    const bytes = await this.#options.content.load(ref);
    const node = decodeNode(bytes, ref);
    this.#nodes.set(ref, node, bytes.length);
    return node;
  }
}

function commitOf(version: number, ops: readonly Op[]): Commit {
  return { version, keys: [...new Set(ops.map(({ key }) => key))] };
}

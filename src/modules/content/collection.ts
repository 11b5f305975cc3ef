import { setImmediate } from "node:timers/promises";
import { requestError } from "../../errors/index.js";
import type { JsonValue } from "../../messages/index.js";
import { blobref, isBlobref } from "./blob.js";
import { parseJson } from "./json.js";
import { Marks } from "./marks.js";

/** The result of a collection. */
export interface Collected {
  /** Given back. */
  readonly bytes: number;
  /** Bytes of the blobs that stay. */
  readonly liveBytes: number;
}

/** A store whose garbage can be collected. */
export interface Sweepable {
  /** The present values of all records. */
  records(): Iterable<JsonValue>;
  load(ref: string): Promise<Uint8Array | undefined>;
  /** Removes every blob that is neither live nor marked to be kept; calls the function right before each removal. */
  sweep(isLive: (ref: string) => boolean): Promise<Collected>;
}

const REFS = /sha256-[0-9a-f]{64}/g;
/** The number of nodes that it reads at once, before other work has its turn. */
const NODES_A_TURN = 64;
const INNER = '{"inner":[';
const LEAF = '{"leaf":[';

/** The collections of a store, one at a time, because each needs all blobs that arrive while it runs. */
export class Collector {
  readonly #store: Sweepable;
  #current: Collection | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: Sweepable) {
    this.#store = store;
  }

  /** Call this with each stored blob, known or new, before the answer to its store. */
  renew(ref: string): void {
    this.#current?.renew(ref);
  }

  /**
   * @param pins further roots: versions that are still being read
   * @param settle resolves when all earlier writes are complete, and in the records
   * @throws `EIO`, before any removal, if a node is missing or damaged: its references are unknown
   */
  async collect(pins: readonly string[], settle: () => Promise<void>): Promise<Collected> {
    const before = this.#last;
    const collecting = before.then(() => this.#run(pins, settle));
    this.#last = collecting.catch(() => undefined);
    return await collecting;
  }

  async #run(pins: readonly string[], settle: () => Promise<void>): Promise<Collected> {
    this.#current = new Collection(this.#store);
    try {
      await settle();
      return await this.#current.run(pins);
    } finally {
      this.#current = undefined;
    }
  }
}

/**
 * One collection of garbage. Marking follows the trees of all records and pins. It reads the records last, when all
 * references have been followed, and the sweep begins in that same turn. It renews blobs that a client stores
 * meanwhile, whether known or not. A head that arrives during a collection therefore refers only to blobs that stay:
 * the blobs of the head before it, and its own.
 */
class Collection {
  readonly #store: Sweepable;
  readonly #marks = new Marks();

  constructor(store: Sweepable) {
    this.#store = store;
  }

  renew(ref: string): void {
    this.#marks.mark(ref);
  }

  /** Marks and sweeps. */
  async run(pins: readonly string[]): Promise<Collected> {
    let roots = this.#unfollowed(pins);
    do {
      await this.#follow(roots);
      roots = this.#unfollowed(rootsOf(this.#store.records()));
    } while (roots.length > 0);
    return await this.#store.sweep((ref) => this.#marks.has(ref));
  }

  #unfollowed(refs: Iterable<string>): string[] {
    return [...refs].filter((ref) => isBlobref(ref) && this.#marks.follow(ref));
  }

  async #follow(roots: readonly string[]): Promise<void> {
    const open = roots.map((ref) => ({ ref, isRoot: true }));
    let left = NODES_A_TURN;
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const bytes = await this.#store.load(at.ref);
      const refs = at.isRoot && bytes === undefined ? [] : this.#referredTo(at.ref, bytes);
      for (const ref of refs) if (this.#marks.follow(ref)) open.push({ ref, isRoot: false });
      if (--left === 0) await setImmediate((left = NODES_A_TURN));
    }
  }

  /** The nodes that a node refers to. It marks the values that the node refers to. */
  #referredTo(ref: string, bytes: Uint8Array | undefined): readonly string[] {
    if (bytes === undefined || blobref(bytes) !== ref) {
      throw requestError("EIO", `garbage collection failed: blob ${ref} is ${bytes ? "damaged" : "missing"}`);
    }
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
    if (text.startsWith(LEAF)) for (const [value] of text.matchAll(REFS)) this.#marks.mark(value);
    return text.startsWith(INNER) ? innerItems(bytes) : [];
  }
}

function innerItems(bytes: Uint8Array): readonly string[] {
  const node = parseJson(bytes) as { readonly inner?: unknown };
  return Array.isArray(node.inner) ? node.inner.filter((item) => typeof item === "string") : [];
}

function* rootsOf(records: Iterable<JsonValue>): Generator<string> {
  for (const record of records) for (const [ref] of JSON.stringify(record).matchAll(REFS)) yield ref;
}

import { requestError } from "../../errors/index.js";
import type { StoredBlob } from "../content/blob.js";
import { type Keyspace, noteCounters } from "./apply-ops.js";
import { BulkTree } from "./bulk-tree.js";
import type { Content } from "./content.js";
import { type DumpLine, parseDumpLine, parseHeader } from "./dump-format.js";
import { encodeKey, isBelow } from "./key.js";
import { counterEntry, counterValue, makeEntry } from "./node.js";
import type { KvsStore } from "./store.js";
import type { Found, Tree } from "./tree.js";

/** The size of a request to the store, and the number of requests under way. */
const REQUEST_BYTES = 4 * 1024 * 1024;
const REQUESTS_AHEAD = 4;

/** The result of a restore. */
export interface Restored {
  readonly version: number;
  readonly keys: number;
}

/**
 * Takes the lines of a dump, stores their values, and at the end puts them in the place of all keys. Until then
 * nothing changes for others. Garbage collection removes the stored values if the end never comes.
 */
export class Restore {
  readonly #store: KvsStore;
  readonly #content: Content;
  readonly #release: () => void;
  readonly #tree = new BulkTree((blob) => this.#emit(blob));
  readonly #sending = new Set<Promise<unknown>>();
  #blobs: StoredBlob[] = [];
  #bytes = 0;
  #lineNumber = 0;
  #version = 0;
  #lastKey: string | undefined;
  #keys = 0;
  #isComplete = false;
  /** It takes the lines of one request after the other, for any number of requests under way. */
  #taking: Promise<void> = Promise.resolve();

  constructor(store: KvsStore, content: Content) {
    this.#store = store;
    this.#content = content;
    this.#release = store.garbage.hold();
  }

  /** @param bytes whole lines. @throws `EINVAL` with the number of the line */
  async take(bytes: Uint8Array): Promise<void> {
    const before = this.#taking;
    this.#taking = (async () => {
      await before;
      for (const line of Buffer.from(bytes).toString().split("\n")) if (line !== "") this.#takeLine(line);
      while (this.#sending.size > REQUESTS_AHEAD) await Promise.race(this.#sending);
    })();
    await this.#taking;
  }

  /** @throws `EINVAL` if the last line of the dump did not come */
  async finish(): Promise<Restored> {
    await this.#taking;
    if (!this.#isComplete) throw requestError("EINVAL", "the dump is incomplete: its last line is missing");
    const root = this.#tree.finish();
    this.#send();
    await Promise.all(this.#sending);
    const tree = this.#store.treeOf(root);
    const version = await this.#store.replace((before) => replaced(before, tree), this.#version);
    this.#release();
    return { version, keys: this.#keys };
  }

  /** No version refers to the blobs stored for it. */
  abandon(): void {
    this.#release();
  }

  #takeLine(line: string): void {
    const number = ++this.#lineNumber;
    if (number === 1) {
      this.#version = parseHeader(line).version;
      return;
    }
    if (this.#isComplete) throw requestError("EINVAL", `line ${number}: text follows the last line`);
    const parsed = parseDumpLine(line, number);
    if (parsed.kind === "key") this.#takeKey(parsed, number);
    else if (parsed.keys === this.#keys) this.#isComplete = true;
    else
      throw requestError(
        "EINVAL",
        `line ${number}: ${this.#keys} keys are present instead of ${parsed.keys}`,
      );
  }

  #takeKey({ key, value, isCounter }: DumpLine & { readonly kind: "key" }, number: number): void {
    const encoded = encodeKey(key);
    const before = this.#lastKey;
    if (before !== undefined && encoded <= before) {
      throw requestError("EINVAL", `line ${number}: ${key} is not after the previous key`);
    }
    if (before !== undefined && isBelow(encoded, before)) {
      throw requestError("EINVAL", `line ${number}: ${key} lies below a key that has a value`);
    }
    this.#tree.add(encoded, isCounter ? counterEntry(Number(value)) : makeEntry(value));
    this.#lastKey = encoded;
    this.#keys++;
  }

  #emit(blob: StoredBlob): void {
    this.#blobs.push(blob);
    this.#bytes += blob.bytes.length;
    if (this.#bytes >= REQUEST_BYTES) this.#send();
  }

  #send(): void {
    if (this.#blobs.length === 0) return;
    const sent = this.#content.commit({ blobs: this.#blobs, records: {} });
    [this.#blobs, this.#bytes] = [[], 0];
    const done = (): void => void this.#sending.delete(sent);
    this.#sending.add(sent);
    // A failure reaches the caller that waits for all of them.
    sent.then(done, () => undefined);
  }
}

/** All keys of a tree in the place of the earlier ones. No counter becomes lower than it ever was. */
export async function replaced(before: Keyspace, tree: Tree): Promise<Keyspace> {
  const removed: Found[] = [];
  for await (const { keys, items } of before.tree.leaves()) {
    items.forEach((entry, index) => {
      if (counterValue(entry) !== undefined) removed.push({ key: keys[index] ?? "", entry });
    });
  }
  const counters = noteCounters(before.counters, removed);
  let changed = tree;
  for (const [key, highest] of Object.entries(counters)) {
    const encoded = encodeKey(key);
    const entry = await changed.get(encoded);
    const value = entry === undefined ? undefined : counterValue(entry);
    if (value !== undefined && value < highest) changed = await changed.set(encoded, counterEntry(highest));
  }
  return { tree: changed, counters };
}

import { blobref, type StoredBlob } from "../content/blob.js";
import { encodeNode, type Entry } from "./node.js";
import { NODE_MAX_ITEMS } from "./tree.js";

/** Items of a node that is made at once, with room for some more. */
const FILL = Math.floor((NODE_MAX_ITEMS * 3) / 4);

/** Nodes of one level that are not written yet. */
interface Level {
  keys: string[];
  items: (Entry | string)[];
}

/** Makes a tree from keys in ascending order, from the bottom up. It writes each node once. */
export class BulkTree {
  readonly #emit: (blob: StoredBlob) => void;
  readonly #levels: Level[] = [{ keys: [], items: [] }];

  /** @param emit receives each blob of the tree: nodes, and large values */
  constructor(emit: (blob: StoredBlob) => void) {
    this.#emit = emit;
  }

  add(encoded: string, entry: Entry): void {
    if ("ref" in entry && entry.pending !== undefined) {
      this.#emit({ ref: entry.ref, bytes: Buffer.from(entry.pending) });
    }
    this.#push(0, encoded, "ref" in entry ? { ref: entry.ref } : entry);
  }

  /** @returns the root; undefined if nothing was added */
  finish(): string | undefined {
    for (let depth = 0; ; depth++) {
      const level = this.#levels[depth];
      if (level === undefined) return undefined;
      const [only] = level.items;
      const isTop = depth === this.#levels.length - 1;
      if (isTop && depth > 0 && level.items.length === 1 && typeof only === "string") return only;
      if (level.items.length > 0) this.#close(depth, level);
    }
  }

  #push(depth: number, key: string, item: Entry | string): void {
    const level = (this.#levels[depth] ??= { keys: [], items: [] });
    if (level.items.length === FILL) this.#close(depth, level);
    level.keys.push(key);
    level.items.push(item);
  }

  #close(depth: number, level: Level): void {
    const { keys, items } = level;
    const [first = ""] = keys;
    const bytes =
      depth === 0
        ? encodeNode({ kind: "leaf", keys, items: items.filter((item) => typeof item !== "string") })
        : encodeNode({ kind: "inner", keys, items: items.filter((item) => typeof item === "string") });
    level.keys = [];
    level.items = [];
    const ref = blobref(bytes);
    this.#emit({ ref, bytes });
    this.#push(depth + 1, first, ref);
  }
}

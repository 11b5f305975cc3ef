import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BulkTree } from "../../../src/modules/kvs/bulk-tree.js";
import { type Child, decodeNode, flush, makeEntry, type TreeNode } from "../../../src/modules/kvs/node.js";
import { NODE_MAX_ITEMS, Tree } from "../../../src/modules/kvs/tree.js";

/** A tree over blobs in memory; `store` writes all that is new, as a commit does, and forgets the nodes. */
class StoredTree {
  readonly blobs = new Map<string, Uint8Array>();
  tree = new Tree((ref) => this.node(ref), undefined);

  node(ref: string): TreeNode {
    const bytes = this.blobs.get(ref);
    if (bytes === undefined) throw new Error(`no blob ${ref}`);
    return decodeNode(bytes, ref);
  }

  /** Number of blobs written. */
  store(): number {
    const { roots, blobs } = flush([this.tree.root]);
    for (const { ref, bytes } of blobs) this.blobs.set(ref, bytes);
    this.tree = new Tree((ref) => this.node(ref), roots[0]);
    return blobs.length;
  }

  /** Begins with keys in ascending order, as a restore does. */
  bulk(names: readonly string[]): void {
    const bulk = new BulkTree(({ ref, bytes }) => this.blobs.set(ref, bytes));
    for (const [index, key] of names.entries()) bulk.add(key, makeEntry(index));
    this.tree = new Tree((ref) => this.node(ref), bulk.finish());
  }

  async keys(): Promise<string[]> {
    const keys: string[] = [];
    let found = await this.tree.nearest("", "after");
    while (found !== undefined) {
      keys.push(found.key);
      found = await this.tree.nearest(`${found.key}\u0000`, "after");
    }
    return keys;
  }

  /** Sizes of all nodes but the root, and the depths at which leaves lie. */
  shape(): { sizes: number[]; depths: Set<number> } {
    const sizes: number[] = [];
    const depths = new Set<number>();
    const visit = (child: Child, depth: number): void => {
      const node = typeof child === "string" ? this.node(child) : child;
      if (depth > 0) sizes.push(node.items.length);
      expect(node.keys.length).toBe(node.items.length);
      if (node.kind === "leaf") depths.add(depth);
      else for (const item of node.items) visit(item, depth + 1);
    };
    if (this.tree.root !== undefined) visit(this.tree.root, 0);
    return { sizes, depths };
  }
}

/** The same numbers in an order that is neither ascending nor random. */
function scattered(count: number): number[] {
  return Array.from({ length: count }, (_, index) => (index * 7919) % count);
}

const name = (index: number): string => `k${String(index).padStart(6, "0")}`;

describe("the tree", () => {
  test("does what a sorted map does, whether its nodes are in memory or stored", async () => {
    const key = fc.integer({ min: 0, max: 300 }).map(name);
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant("set" as const), key, value: fc.nat() }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("delete" as const), key }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("store" as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 600, size: "max" }), key, async (steps, probe) => {
        const stored = new StoredTree();
        const model = new Map<string, number>();
        for (const item of steps) {
          if (item.kind === "store") stored.store();
          else if (item.kind === "set") {
            stored.tree = await stored.tree.set(item.key, makeEntry(item.value));
            model.set(item.key, item.value);
          } else {
            stored.tree = await stored.tree.delete(item.key);
            model.delete(item.key);
          }
        }
        const sorted = [...model.keys()].sort();
        expect(await stored.keys()).toEqual(sorted);
        for (const [known, value] of model) expect(await stored.tree.get(known)).toEqual({ value });
        expect((await stored.tree.nearest(probe, "after"))?.key).toBe(sorted.find((other) => other >= probe));
        expect((await stored.tree.nearest(probe, "before"))?.key).toBe(
          sorted.findLast((other) => other <= probe),
        );
        expect(stored.shape().depths.size).toBeLessThanOrEqual(1);
      }),
      { numRuns: 40 },
    );
  });

  test("does what a sorted map does after a restore, for any keys that go away", async () => {
    const range = fc.record({ from: fc.nat({ max: 650 }), count: fc.integer({ min: 1, max: 60 }) });
    const ranges = fc.array(range, { maxLength: 12 });
    const check = async (count: number, taken: { from: number; count: number }[]): Promise<void> => {
      const stored = new StoredTree();
      const left = new Set(Array.from({ length: count }, (_, index) => name(index)));
      stored.bulk([...left]);
      for (const { from, count: some } of taken) {
        for (let index = from; index < from + some; index++) {
          stored.tree = await stored.tree.delete(name(index));
          left.delete(name(index));
        }
        stored.store();
        expect(await stored.keys()).toEqual([...left]);
        expect((await stored.tree.nearest("l", "before"))?.key).toBe([...left].at(-1));
        expect(stored.shape().sizes).not.toContain(0);
      }
      for (const key of left) stored.tree = await stored.tree.delete(key);
      expect(stored.tree.root).toBeUndefined();
    };
    await check(577, [{ from: 576, count: 1 }]);
    await check(600, [{ from: 576, count: 24 }]);
    await fc.assert(fc.asyncProperty(fc.integer({ min: 570, max: 640 }), ranges, check), { numRuns: 20 });
  });

  test("reads past the empty leaves that older stores may have", async () => {
    const leaf = (...keys: string[]): TreeNode => ({ kind: "leaf", keys, items: keys.map(makeEntry) });
    const inner = (keys: string[], items: TreeNode[]): TreeNode => ({ kind: "inner", keys, items });
    const empty = inner(["m"], [leaf()]);
    const root = inner(["a", "m", "t"], [inner(["a"], [leaf("a")]), empty, inner(["t"], [leaf("t")])]);
    const stored = new StoredTree();
    stored.tree = new Tree((ref) => stored.node(ref), root);
    stored.store();
    expect(await stored.keys()).toEqual(["a", "t"]);
    expect((await stored.tree.nearest("p", "before"))?.key).toBe("a");
    expect((await stored.tree.nearest("b", "after"))?.key).toBe("t");
    expect((await stored.tree.nearest("s", "before"))?.key).toBe("a");
    stored.tree = await stored.tree.set("p", makeEntry(1));
    expect(await stored.keys()).toEqual(["a", "p", "t"]);
    for (const key of ["p", "t", "a"]) stored.tree = await stored.tree.delete(key);
    expect(await stored.keys()).toEqual([]);
  });

  test("stays balanced over 10,000 keys and after most of them were taken out again", async () => {
    const stored = new StoredTree();
    for (const index of scattered(10_000)) stored.tree = await stored.tree.set(name(index), makeEntry(index));
    stored.store();
    expect(await stored.keys()).toEqual(Array.from({ length: 10_000 }, (_, index) => name(index)));
    expect(stored.shape().depths).toEqual(new Set([2]));

    for (const index of scattered(10_000)) {
      if (index % 20 !== 0) stored.tree = await stored.tree.delete(name(index));
    }
    expect(await stored.keys()).toEqual(Array.from({ length: 500 }, (_, index) => name(index * 20)));
    const { sizes, depths } = stored.shape();
    expect(depths.size).toBe(1);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(NODE_MAX_ITEMS);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(8);

    for (let index = 0; index < 10_000; index += 20) stored.tree = await stored.tree.delete(name(index));
    expect(stored.tree.root).toBeUndefined();
  });

  test("writes one blob a level for a put, log n of them", async () => {
    for (const [count, levels] of [
      [20, 1],
      [500, 2],
      [10_000, 3],
    ] as const) {
      const stored = new StoredTree();
      for (const index of scattered(count))
        stored.tree = await stored.tree.set(name(index), makeEntry(index));
      stored.store();
      for (const index of [0, count >> 1, count - 1]) {
        stored.tree = await stored.tree.set(name(index), makeEntry(`new ${index}`));
        expect(stored.store()).toBe(levels);
      }
    }
  });

  test("keeps what it was for those who read it while it changes", async () => {
    const stored = new StoredTree();
    for (const index of scattered(1000)) stored.tree = await stored.tree.set(name(index), makeEntry(index));
    const before = stored.tree;
    for (const index of scattered(1000)) stored.tree = await stored.tree.delete(name(index));
    expect(await before.get(name(500))).toEqual({ value: 500 });
    expect(await stored.tree.get(name(500))).toBeUndefined();
  });

  test("gives back the same tree when nothing was there to delete", async () => {
    const stored = new StoredTree();
    stored.tree = await stored.tree.set("a", makeEntry(1));
    expect(await stored.tree.delete("b")).toBe(stored.tree);
  });

  test("puts a long value into a blob of its own and a short one into the leaf", async () => {
    const stored = new StoredTree();
    stored.tree = await stored.tree.set("long", makeEntry("x".repeat(10_000)));
    stored.tree = await stored.tree.set("short", makeEntry("y"));
    expect(stored.store()).toBe(2);
    expect(await stored.tree.get("short")).toEqual({ value: "y" });
    const long = await stored.tree.get("long");
    expect(long).toHaveProperty("ref");
    const ref = long !== undefined && "ref" in long ? long.ref : "";
    expect(Buffer.from(stored.blobs.get(ref) ?? []).toString()).toBe(JSON.stringify("x".repeat(10_000)));
  });

  test("refuses a blob that is no node with EIO", () => {
    for (const text of ["{}", "[]", '{"leaf":[[]],"keys":["a"]}', '{"inner":[1],"keys":["a"]}']) {
      expect(() => decodeNode(Buffer.from(text), "sha256-0")).toThrow(expect.objectContaining({ errnum: 5 }));
    }
  });
});

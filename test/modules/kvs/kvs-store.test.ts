import { expect, test } from "vitest";
import { ERRNO } from "../../../src/errors/index.js";
import { MemoryStore } from "../../../src/modules/content/memory-store.js";
import { parseOps } from "../../../src/modules/kvs/apply-ops.js";
import type { Content } from "../../../src/modules/kvs/content.js";
import { dump } from "../../../src/modules/kvs/dump.js";
import { directContent } from "../../../src/modules/kvs/fsck.js";
import { KvsStore } from "../../../src/modules/kvs/store.js";

async function storeOn(content: Content): Promise<KvsStore> {
  const store = new KvsStore({
    ...{ content, name: "kvs", history: 1, checkpoints: 5 },
    ...{ warn: () => undefined, onCommit: () => undefined },
  });
  await store.recover();
  return store;
}

test("a dump of large values has no response with several of them", async () => {
  const content = directContent(new MemoryStore());
  const store = await storeOn(content);
  const value = "x".repeat(600_000);
  const ops = Array.from({ length: 25 }, (_, index) => ({ key: `big.k${index}`, value }));
  await store.commit(parseOps({ ops }));
  const sizes: number[] = [];
  for await (const chunk of dump(store, content)) sizes.push((chunk as Uint8Array).length);
  expect(sizes.length).toBeGreaterThan(25);
  expect(Math.max(...sizes)).toBeLessThan(2 * value.length);
});

test("a key whose value is missing in the store fails with EIO, even if it is optional", async () => {
  const memory = new MemoryStore();
  await (
    await storeOn(directContent(memory))
  ).commit(parseOps({ ops: [{ key: "a", value: "x".repeat(1000) }] }));
  const root = ((await memory.record("kvs")) as { root: string }).root;
  // Only the root stays: nothing refers to the value but the root itself.
  const rest = new MemoryStore();
  const bytes = (await memory.load(root)) ?? new Uint8Array();
  await rest.commit({
    blobs: [{ ref: root, bytes }],
    records: { kvs: (await memory.record("kvs")) ?? null },
  });
  const store = await storeOn(directContent(rest));
  const eio: unknown = expect.objectContaining({ errnum: ERRNO.EIO });
  await expect(store.get("a")).rejects.toEqual(eio);
  await expect(store.getOptional("a")).rejects.toEqual(eio);
});

test("a counter may have the name of a property of all objects", async () => {
  const store = await storeOn(directContent(new MemoryStore()));
  for (const key of ["constructor", "toString", "__proto__"]) {
    const { values } = await store.commit(parseOps({ ops: [{ key, add: 2 }] }));
    expect(Object.entries(values)).toEqual([[key, 2]]);
    await store.commit(parseOps({ ops: [{ key, unlink: true }] }));
    expect(Object.values((await store.commit(parseOps({ ops: [{ key, add: 1 }] }))).values)).toEqual([3]);
  }
});

test("a directory of counters is unlinked, and each of them continues from its own value", async () => {
  const store = await storeOn(directContent(new MemoryStore()));
  const keys = ["d.a", "d.b", "d.__proto__", "e"];
  await store.commit(parseOps({ ops: keys.map((key, index) => ({ key, add: 10 * (index + 1) })) }));
  await store.commit(parseOps({ ops: [{ key: "d.text", value: "x" }] }));
  await store.commit(parseOps({ ops: [{ key: "d", unlink: true }] }));
  const { values } = await store.commit(parseOps({ ops: keys.map((key) => ({ key, add: 1 })) }));
  expect(Object.entries(values)).toEqual([
    ["d.a", 11],
    ["d.b", 21],
    ["d.__proto__", 31],
    ["e", 41],
  ]);
});

import { expect, test } from "vitest";
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

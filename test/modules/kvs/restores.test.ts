import { describe, expect, test } from "vitest";
import { ERRNO, type ErrnoName } from "../../../src/errors/index.js";
import { MemoryStore } from "../../../src/modules/content/memory-store.js";
import { parseOps } from "../../../src/modules/kvs/apply-ops.js";
import type { Content } from "../../../src/modules/kvs/content.js";
import { directContent } from "../../../src/modules/kvs/fsck.js";
import { restoreCheckpoint, Restores } from "../../../src/modules/kvs/restores.js";
import { KvsStore } from "../../../src/modules/kvs/store.js";

const failsWith = (name: ErrnoName): unknown => expect.objectContaining({ errnum: ERRNO[name] });

/** A store whose writes wait while its gate is closed. */
class GatedStore {
  readonly content: Content;
  readonly store: KvsStore;
  #gate: Promise<void> = Promise.resolve();
  #arrived: () => void = () => undefined;

  constructor(memory: MemoryStore, checkpoints = 5) {
    const direct = directContent(memory);
    this.content = {
      ...direct,
      commit: async (batch) => {
        this.#arrived();
        await this.#gate;
        return await direct.commit(batch);
      },
    };
    const [onCommit, warn] = [(): void => undefined, (): void => undefined];
    this.store = new KvsStore({
      ...{ content: this.content, name: "kvs", warn, onCommit },
      ...{ history: 1, checkpoints },
    });
  }

  /** Closes the gate: `arrived` resolves when a write waits. */
  close(): { readonly arrived: Promise<void>; readonly open: () => void } {
    const arrived = new Promise<void>((resolve) => (this.#arrived = resolve));
    let open = (): void => undefined;
    this.#gate = new Promise((resolve) => (open = resolve));
    return { arrived, open: () => open() };
  }

  async put(key: string, value: string): Promise<void> {
    await this.store.commit(parseOps({ ops: [{ key, value }] }));
  }
}

const LONG = "y".repeat(500);

function lines(id: string): Uint8Array {
  const header = '{"sluice":"kvs-dump","format":1,"version":9,"time":1}';
  return Buffer.from(`${id}\n${header}\n{"key":"b","value":"${LONG}"}\n{"end":true,"keys":1}\n`);
}

/** The value of a key for a KVS that starts on this store. */
async function readAgain(memory: MemoryStore, key: string): Promise<unknown> {
  const { store } = new GatedStore(memory);
  await store.recover();
  return (await store.get(key)).value;
}

describe("a restore", () => {
  test("that is finishing keeps its place and its blobs when its client disconnects", async () => {
    const memory = new MemoryStore();
    const gated = new GatedStore(memory);
    await gated.store.recover();
    await gated.put("a", "1");
    const restores = new Restores(gated.store, gated.content);
    const id = restores.begin({ sender: "A" });
    await restores.take(lines(id));
    const { arrived, open } = gated.close();
    const finishing = restores.finish(id);
    await arrived;
    restores.disconnect("A");
    await expect(gated.store.collect()).rejects.toEqual(failsWith("EBUSY"));
    expect(() => restores.begin({ sender: "B" })).toThrow(expect.objectContaining({ errnum: ERRNO.EBUSY }));
    await expect(restores.take(lines(id))).rejects.toEqual(failsWith("EINVAL"));
    open();
    expect(await finishing).toEqual({ version: 9, keys: 1 });
    await gated.store.collect();
    expect(await readAgain(memory, "b")).toBe(LONG);
  });

  test("is not ended by the id of one before a reload", async () => {
    const gated = new GatedStore(new MemoryStore());
    await gated.store.recover();
    const before = new Restores(gated.store, gated.content).begin({ sender: "A" });
    const restores = new Restores(gated.store, gated.content);
    restores.begin({ sender: "B" });
    restores.abandon(before);
    expect(() => restores.begin({ sender: "C" })).toThrow(expect.objectContaining({ errnum: ERRNO.EBUSY }));
  });

  test("that fails late does not end the next one", async () => {
    const gated = new GatedStore(new MemoryStore());
    await gated.store.recover();
    const restores = new Restores(gated.store, gated.content);
    const first = restores.begin({ sender: "A" });
    const taking = restores.take(Buffer.from(`${first}\nno dump\n`));
    restores.disconnect("A");
    const second = restores.begin({ sender: "B" });
    await expect(taking).rejects.toEqual(failsWith("EINVAL"));
    await restores.take(lines(second));
    expect(await restores.finish(second)).toEqual({ version: 9, keys: 1 });
  });

  test("of a checkpoint reads all of it, even if a newer checkpoint takes its place meanwhile", async () => {
    const memory = new MemoryStore();
    const gated = new GatedStore(memory, 1);
    await gated.store.recover();
    await gated.put("a", LONG);
    const { number } = await gated.store.checkpoint("test");
    await gated.put("a", "2");
    await gated.put("a", "3");
    const { arrived, open } = gated.close();
    const newer = gated.store.checkpoint("test");
    await arrived;
    const restored = restoreCheckpoint(gated.store, number);
    const collected = gated.store.collect();
    open();
    await Promise.all([newer, restored, collected]);
    expect(await readAgain(memory, "a")).toBe(LONG);
  });
});

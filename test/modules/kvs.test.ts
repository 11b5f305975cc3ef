import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ERRNO, type ErrnoName } from "../../src/errors/index.js";
import type { JsonValue, Payload } from "../../src/messages/index.js";
import { attributesFor, Instance, PROVIDERS, withDirectory, withInstance } from "./instance.js";
import { MemoryOverlay } from "./memory-overlay.js";

const failsWith = (name: ErrnoName): unknown => expect.objectContaining({ errnum: ERRNO[name] });

async function withKvs(use: (instance: Instance) => Promise<void>): Promise<void> {
  await withInstance({}, async (instance) => {
    await instance.load("content", "kvs");
    await use(instance);
  });
}

describe("kvs", () => {
  test("gives back what was committed, with the version", async () => {
    await withKvs(async (instance) => {
      expect(await instance.rpc("kvs.version")).toEqual({ version: 0 });
      expect(await instance.put("a.b", { x: [1, null, "é"], ["__proto__"]: 1 })).toBe(1);
      expect(await instance.put("a.c", null)).toBe(2);
      expect(await instance.rpc("kvs.get", { key: "a.c" })).toEqual({ value: null, version: 2 });
      expect(JSON.stringify(await instance.get("a.b"))).toBe('{"x":[1,null,"é"],"__proto__":1}');
      expect(await instance.rpc("kvs.version")).toEqual({ version: 2 });
    });
  });

  test("a commit is made as a whole or not at all, and one that fails takes no version", async () => {
    await withKvs(async (instance) => {
      await instance.put("dir.key", 1);
      for (const [bad, errno] of [
        [{ key: "a..b", value: 1 }, "EINVAL"],
        [{ key: "both", value: 1, unlink: true }, "EINVAL"],
        [{ key: "neither" }, "EINVAL"],
        [{ key: "dir", value: 1 }, "EISDIR"],
        [{ key: "dir.key.below", value: 1 }, "ENOTDIR"],
        [{ key: "new.below", value: 1 }, "ENOTDIR"],
      ] as const) {
        const commit = instance.commit([{ key: "new", value: 1 }, { key: "other", value: 1 }, bad]);
        await expect(commit).rejects.toEqual(failsWith(errno));
        await expect(instance.get("new")).rejects.toEqual(failsWith("ENOENT"));
      }
      expect(await instance.rpc("kvs.version")).toEqual({ version: 1 });
    });
  });

  test("the changes of a commit are made in their order", async () => {
    await withKvs(async (instance) => {
      await instance.put("a", 1);
      await instance.commit([
        { key: "a", unlink: true },
        { key: "a.b", value: 2 },
        { key: "a.b", value: 3 },
      ]);
      expect(await instance.get("a.b")).toBe(3);
      await instance.commit([
        { key: "a", unlink: true },
        { key: "a", value: 4 },
      ]);
      expect(await instance.get("a")).toBe(4);
    });
  });

  test("unlinking a directory takes all that is in it, and nothing beside it", async () => {
    await withKvs(async (instance) => {
      const ops = ["d.a", "d.b.c", "d-x", "d0", "da.b", "c"].map((key) => ({ key, value: key }));
      await instance.commit(ops);
      await instance.commit([{ key: "d", unlink: true }]);
      expect(await instance.rpc("kvs.dir", {})).toEqual({
        entries: [
          { name: "c", dir: false },
          { name: "d-x", dir: false },
          { name: "d0", dir: false },
          { name: "da", dir: true },
        ],
      });
      await expect(instance.rpc("kvs.dir", { key: "d" })).rejects.toEqual(failsWith("ENOENT"));
      expect(await instance.commit([{ key: "not.there", unlink: true }])).toBe(3);
    });
  });

  test("a directory lists the names right below it, sorted", async () => {
    await withKvs(async (instance) => {
      expect(await instance.rpc("kvs.dir")).toEqual({ entries: [] });
      await instance.commit(["b.z", "b.a.x", "b.a.y", "b.a-", "b.m", "a"].map((key) => ({ key, value: 1 })));
      expect(await instance.rpc("kvs.dir", { key: "b" })).toEqual({
        entries: [
          { name: "a", dir: true },
          { name: "a-", dir: false },
          { name: "m", dir: false },
          { name: "z", dir: false },
        ],
      });
      await expect(instance.rpc("kvs.dir", { key: "a" })).rejects.toEqual(failsWith("ENOTDIR"));
      await expect(instance.rpc("kvs.dir", { key: "b.n" })).rejects.toEqual(failsWith("ENOENT"));
    });
  });

  test("reading a directory is EISDIR, reading what is not there ENOENT, unless the value is optional", async () => {
    await withKvs(async (instance) => {
      await instance.put("a.b", 1);
      await expect(instance.get("a")).rejects.toEqual(failsWith("EISDIR"));
      await expect(instance.get("a.b.c")).rejects.toEqual(failsWith("ENOENT"));
      await expect(instance.get("")).rejects.toEqual(failsWith("EINVAL"));
      for (const key of ["a", "b"]) {
        expect(await instance.rpc("kvs.get", { key, optional: true })).toEqual({ version: 1 });
      }
      expect(await instance.rpc("kvs.get", { key: "a.b", optional: true })).toEqual({ value: 1, version: 1 });
      await expect(instance.rpc("kvs.get", {})).rejects.toEqual(failsWith("EPROTO"));
      await expect(instance.rpc("kvs.commit", { ops: [1] })).rejects.toEqual(failsWith("EPROTO"));
    });
  });

  test("1,000 puts at once take a version each, and few writes together", async () => {
    await withKvs(async (instance) => {
      const requestsOfContent = async (): Promise<number> =>
        ((await instance.rpc("content.stats-get")) as { rx: { request: number } }).rx.request;
      const before = await requestsOfContent();
      const puts = Array.from({ length: 1000 }, (_, index) => instance.put(`k.${index}`, index));
      const versions = await Promise.all(puts);
      expect(versions.toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: 1000 }, (_, index) => index + 1),
      );
      // Each by itself would write its value, its directory and the root.
      expect((await requestsOfContent()) - before).toBeLessThan(1000);
      for (const index of [0, 500, 999]) expect(await instance.get(`k.${index}`)).toBe(index);
    });
  });

  test("of commits that are made together one that is invalid fails alone", async () => {
    await withKvs(async (instance) => {
      const results = await Promise.allSettled(["a", "b", "b.c", "d"].map((key) => instance.put(key, 1)));
      expect(results.map(({ status }) => status)).toEqual([
        "fulfilled",
        "fulfilled",
        "rejected",
        "fulfilled",
      ]);
      expect(await instance.rpc("kvs.version")).toEqual({ version: 3 });
    });
  });

  test("publishes each commit once, in the order of versions, with the keys that it changed", async () => {
    await withKvs(async (instance) => {
      const events = await instance.events("kvs.commit");
      await Promise.all([instance.put("a", 1), instance.put("b", 1), instance.put("c", 1)]);
      await instance.commit([
        { key: "d", value: 1 },
        { key: "a", unlink: true },
        { key: "d", value: 2 },
      ]);
      const payloads = (await events.atLeast(4)).map(({ payload }) => payload);
      expect(payloads).toEqual([
        { version: 1, keys: ["a"] },
        { version: 2, keys: ["b"] },
        { version: 3, keys: ["c"] },
        { version: 4, keys: ["d", "a"] },
      ]);
    });
  });

  test("holds values and directories of any size", async () => {
    await withKvs(async (instance) => {
      const long = "x".repeat(1_000_000);
      const count = 3000;
      await instance.commit([
        { key: "long", value: long },
        ...Array.from({ length: count }, (_, index) => ({ key: `many.${index}`, value: index })),
      ]);
      expect(await instance.get("long")).toBe(long);
      const { entries } = (await instance.rpc("kvs.dir", { key: "many" })) as { entries: JsonValue[] };
      expect(entries).toHaveLength(count);
      await instance.commit([{ key: "many", unlink: true }]);
      expect(await instance.rpc("kvs.dir")).toEqual({ entries: [{ name: "long", dir: false }] });
    });
  });

  test("keeps what it has in content when it is loaded anew", async () => {
    await withKvs(async (instance) => {
      await instance.put("a", 1);
      await instance.handle.rpc("module.reload", { name: "kvs" });
      expect(await instance.get("a")).toBe(1);
      expect(await instance.put("a", 2)).toBe(2);
    });
  });

  test("other ranks pass everything on to rank 0", async () => {
    const [first, second] = MemoryOverlay.pair();
    await withInstance({ overlay: first }, async (zero) => {
      await withInstance({ overlay: second }, async (one) => {
        await zero.load("content", "kvs");
        await one.load("content", "kvs", "kvs-watch");
        const events = await one.events("kvs.commit");
        expect(await one.put("a", 1)).toBe(1);
        expect(await zero.put("a", 2)).toBe(2);
        expect(await one.get("a")).toBe(2);
        expect(await one.rpc("kvs.dir")).toEqual({ entries: [{ name: "a", dir: false }] });
        expect(await one.rpc("kvs.version")).toEqual({ version: 2 });
        expect(await events.atLeast(2)).toHaveLength(2);
        const watch = one.handle.rpcStream("kvs-watch.watch", { key: "a" });
        expect((await watch.next()).value).toEqual({ value: 2, version: 2 });
        await zero.put("a", 3);
        expect((await watch.next()).value).toEqual({ value: 3, version: 3 });
        await watch.return?.();
        const ref = await one.store("from rank 1");
        expect((await zero.blob(ref)).toString()).toBe("from rank 1");
      });
    });
  });
});

test("a restore of another rank ends when its client disconnects", async () => {
  const [first, second] = MemoryOverlay.pair();
  await withInstance({ overlay: first }, async (zero) => {
    await withInstance({ overlay: second }, async (one) => {
      await zero.load("content", "kvs");
      await one.load("content", "kvs");
      const client = await one.broker.connect();
      await client.rpc("kvs.restore-begin");
      await expect(one.rpc("kvs.restore-begin")).rejects.toEqual(failsWith("EBUSY"));
      // The broker sends this request when the client disconnects. An answer shows that the module has received it.
      await client.rpc("kvs.disconnect");
      await client.close();
      const { id } = (await one.rpc("kvs.restore-begin")) as { id: string };
      const dump = `${id}\n{"sluice":"kvs-dump","format":1,"version":9,"time":1}\n{"end":true,"keys":0}\n`;
      await one.rpc("kvs.restore-lines", Buffer.from(dump));
      expect(await one.rpc("kvs.restore-end", { id })).toEqual({ version: 9, keys: 0 });
      await zero.rpc("kvs.collect");
    });
  });
});

const word = fc.constantFrom("a", "b", "c", "a-");
const key = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join("."));
const op = fc.oneof(
  { weight: 3, arbitrary: fc.record({ key, value: fc.oneof(fc.nat(), fc.constant("x".repeat(500))) }) },
  { weight: 2, arbitrary: fc.record({ key, unlink: fc.constant(true) }) },
);
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("commit" as const),
      ops: fc.array(op, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
);
type Op = { key: string; value: JsonValue } | { key: string; unlink: boolean };

/** What a commit makes of a map from keys to values, or undefined if it must fail. */
function modelCommit(
  before: ReadonlyMap<string, JsonValue>,
  ops: readonly Op[],
): Map<string, JsonValue> | undefined {
  const after = new Map(before);
  for (const change of ops) {
    const below = [...after.keys()].filter((other) => other.startsWith(`${change.key}.`));
    if ("unlink" in change) for (const gone of [change.key, ...below]) after.delete(gone);
    else {
      if (below.length > 0 || [...after.keys()].some((other) => change.key.startsWith(`${other}.`)))
        return undefined;
      after.set(change.key, change.value);
    }
  }
  return after;
}

async function startDurable(statedir: string, backing: string): Promise<Instance> {
  const instance = await Instance.start({ statedir, attributes: await attributesFor(backing) });
  await instance.load("content", backing, "kvs");
  return instance;
}

/** All keys and values, by way of `dir` and `get`. */
async function readAll(instance: Instance): Promise<Record<string, Payload>> {
  const all: Record<string, Payload> = {};
  const open: (string | undefined)[] = [undefined];
  for (let at = 0; at < open.length; at++) {
    const directory = open[at];
    const answer = await instance.rpc("kvs.dir", directory === undefined ? {} : { key: directory });
    for (const { name, dir } of (answer as { entries: { name: string; dir: boolean }[] }).entries) {
      const path = directory === undefined ? name : `${directory}.${name}`;
      if (dir) open.push(path);
      else all[path] = await instance.get(path);
    }
  }
  return all;
}

describe.each(PROVIDERS)("kvs on %s", (backing) => {
  test("has everything that was answered after a restart, and the version", async () => {
    await withDirectory(async (statedir) => {
      const first = await startDurable(statedir, backing);
      await Promise.all(Array.from({ length: 200 }, (_, index) => first.put(`k.${index}`, { index })));
      await first.put("long", "y".repeat(10_000));
      await first.crash();
      const second = await startDurable(statedir, backing);
      expect(await second.rpc("kvs.version")).toEqual({ version: 201 });
      expect(await second.get("k.123")).toEqual({ index: 123 });
      expect(await second.get("long")).toBe("y".repeat(10_000));
      expect(await second.put("k.123", 1)).toBe(202);
      await second.close();
    });
  });

  test("does what a map does, commit by commit and over restarts", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25, size: "max" }), async (steps) => {
        await withDirectory(async (statedir) => {
          let instance = await startDurable(statedir, backing);
          let model = new Map<string, JsonValue>();
          let version = 0;
          for (const item of steps) {
            if (item.kind === "restart") {
              await instance.crash();
              instance = await startDurable(statedir, backing);
              continue;
            }
            const next = modelCommit(model, item.ops);
            if (next === undefined) {
              await expect(instance.commit(item.ops)).rejects.toThrow();
            } else {
              model = next;
              version++;
              expect(await instance.commit(item.ops)).toBe(version);
            }
          }
          expect(await readAll(instance)).toEqual(Object.fromEntries(model));
          expect(await instance.rpc("kvs.version")).toEqual({ version });
          await instance.close();
        });
      }),
      { numRuns: 12 },
    );
  });
});

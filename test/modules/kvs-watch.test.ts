import { describe, expect, test } from "vitest";
import { ERRNO, type ErrnoName } from "../../src/errors/index.js";
import type { Payload } from "../../src/messages/index.js";
import { loopback } from "../../src/broker/routing/overlay.js";
import { gapOverlay } from "../broker/support/gap-overlay.js";
import { type Instance, withInstance } from "./instance.js";

const failsWith = (name: ErrnoName): unknown => expect.objectContaining({ errnum: ERRNO[name] });

async function withWatch(use: (instance: Instance) => Promise<void>): Promise<void> {
  await withInstance({}, async (instance) => {
    await instance.load("content", "kvs", "kvs-watch");
    await use(instance);
  });
}

function watch(instance: Instance, key: string): AsyncIterableIterator<Payload> {
  return instance.handle.rpcStream("kvs-watch.watch", { key });
}

test("kvs-watch reads every key anew after missed events, and watches on", async () => {
  const { overlay, away } = gapOverlay(loopback());
  await withInstance({ overlay }, async (instance) => {
    await instance.load("content", "kvs", "kvs-watch");
    await instance.put("gone", 1);
    const [a, b, gone] = ["a", "b.c", "gone"].map((key) => watch(instance, key));
    expect((await a?.next())?.value).toEqual({ version: 1 });
    expect((await b?.next())?.value).toEqual({ version: 1 });
    expect((await gone?.next())?.value).toEqual({ value: 1, version: 1 });
    await away(async () => {
      await instance.put("a", 2);
      await instance.commit([{ key: "gone", unlink: true }]);
    });
    expect((await a?.next())?.value).toEqual({ value: 2, version: 3 });
    expect((await gone?.next())?.value).toEqual({ version: 3 });
    await instance.put("b.c", 4);
    expect((await b?.next())?.value).toEqual({ value: 4, version: 4 });
    for (const stream of [a, b, gone]) await stream?.return?.();
  });
});

describe("kvs-watch", () => {
  test("gives what the key has, then what each commit makes of it, and nothing for commits to other keys", async () => {
    await withWatch(async (instance) => {
      const stream = watch(instance, "a.b");
      expect((await stream.next()).value).toEqual({ version: 0 });
      await instance.put("a.b", 1);
      expect((await stream.next()).value).toEqual({ value: 1, version: 1 });
      await instance.put("a.c", 1);
      await instance.put("a.b", { x: 2 });
      expect((await stream.next()).value).toEqual({ value: { x: 2 }, version: 3 });
      await instance.commit([{ key: "a.b", unlink: true }]);
      expect((await stream.next()).value).toEqual({ version: 4 });
      await stream.return?.();
    });
  });

  test("notices that the directory of its key was unlinked", async () => {
    await withWatch(async (instance) => {
      await instance.put("a.b.c", 1);
      const stream = watch(instance, "a.b.c");
      expect((await stream.next()).value).toEqual({ value: 1, version: 1 });
      await instance.commit([{ key: "a", unlink: true }]);
      expect((await stream.next()).value).toEqual({ version: 2 });
      await stream.return?.();
    });
  });

  test("ends with the last of many commits, versions ascending, none twice", async () => {
    await withWatch(async (instance) => {
      const stream = watch(instance, "a");
      await Promise.all(Array.from({ length: 200 }, (_, index) => instance.put("a", index)));
      const versions: number[] = [];
      for await (const item of stream) {
        const { value, version } = item as { value?: number; version: number };
        versions.push(version);
        if (version === 200) {
          expect(value).toBe(199);
          break;
        }
      }
      expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    });
  });

  test("serves many watchers, and forgets those who leave or go away", async () => {
    await withWatch(async (instance) => {
      const client = await instance.broker.connect();
      const gone = client.rpcStream("kvs-watch.watch", { key: "a" });
      await gone.next();
      await client.close();
      const streams = Array.from({ length: 20 }, () => watch(instance, "a"));
      await Promise.all(streams.map((stream) => stream.next()));
      await streams[0]?.return?.();
      await instance.put("a", 1);
      const next = await Promise.all(
        streams.slice(1).map(async (stream) => (await stream.next()).value as Payload),
      );
      expect(next).toEqual(Array.from({ length: 19 }, () => ({ value: 1, version: 1 })));
      for (const stream of streams) await stream.return?.();
    });
  });

  test("follows a KVS that has lost its state, where versions begin again", async () => {
    await withWatch(async (instance) => {
      await instance.put("a", 1);
      await instance.put("a", 2);
      const stream = watch(instance, "a");
      expect((await stream.next()).value).toEqual({ value: 2, version: 2 });
      await instance.remove("kvs", "content");
      await instance.load("content", "kvs");
      await instance.put("a", 3);
      expect((await stream.next()).value).toEqual({ value: 3, version: 1 });
      await stream.return?.();
    });
  });

  test("refuses a key that is invalid, and a request that is not streaming", async () => {
    await withWatch(async (instance) => {
      await expect(watch(instance, "a..b").next()).rejects.toEqual(failsWith("EINVAL"));
      await expect(instance.rpc("kvs-watch.watch", { key: "a" })).rejects.toEqual(failsWith("EPROTO"));
    });
  });

  test("is not disturbed by an event that only looks like a commit", async () => {
    await withWatch(async (instance) => {
      const stream = watch(instance, "a");
      await stream.next();
      await instance.handle.publish("kvs.commit", "rubbish");
      await instance.logged(({ name, level }) => name === "kvs-watch" && level === "warning");
      await instance.put("a", 1);
      expect((await stream.next()).value).toEqual({ value: 1, version: 1 });
      await stream.return?.();
    });
  });
});

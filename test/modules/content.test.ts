import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { ERRNO, type ErrnoName } from "../../src/errors/index.js";
import type { Handle } from "../../src/messages/index.js";
import { type Instance, withInstance } from "./instance.js";

const failsWith = (name: ErrnoName): unknown => expect.objectContaining({ errnum: ERRNO[name] });
const digestOf = (text: string): string => `sha256-${createHash("sha256").update(text).digest("hex")}`;

/** A provider of content-backing under the test's control, on the test's own connection. */
async function fakeBacking(h: Handle): Promise<Map<string, Buffer>> {
  const blobs = new Map<string, Buffer>();
  h.handle("store", (request) => {
    const bytes = Buffer.from(request.payload instanceof Uint8Array ? request.payload : []);
    const ref = digestOf(bytes.toString());
    blobs.set(ref, bytes);
    return { ref };
  });
  h.handle("load", (request) => blobs.get((request.payload as { ref: string }).ref) ?? Buffer.from("none"));
  await h.registerService("content-backing");
  return blobs;
}

describe("content without a backing", () => {
  async function withContent(use: (instance: Instance) => Promise<void>): Promise<void> {
    await withInstance({}, async (instance) => {
      await instance.load("content");
      await use(instance);
    });
  }

  test("serves blobs and checkpoints from memory", async () => {
    await withContent(async (instance) => {
      const ref = await instance.store("hello");
      expect(ref).toBe(digestOf("hello"));
      expect((await instance.blob(ref)).toString()).toBe("hello");
      expect(await instance.blob(await instance.store(""))).toHaveLength(0);
      await instance.rpc("content.checkpoint-put", { key: "k", value: null });
      expect(await instance.rpc("content.checkpoint-get", { key: "k" })).toEqual({ value: null });
    });
  });

  test("fails with ENOENT for what it does not have, EINVAL for what is no reference, EPROTO for JSON", async () => {
    await withContent(async (instance) => {
      await expect(instance.blob(digestOf("none"))).rejects.toEqual(failsWith("ENOENT"));
      for (const ref of [
        "",
        "sha256-",
        "../../etc/passwd",
        digestOf("x").toUpperCase(),
        `${digestOf("x")}0`,
      ]) {
        await expect(instance.blob(ref)).rejects.toEqual(failsWith("EINVAL"));
      }
      await expect(instance.rpc("content.store", { a: 1 })).rejects.toEqual(failsWith("EPROTO"));
      await expect(instance.rpc("content.checkpoint-get", { key: "k" })).rejects.toEqual(failsWith("ENOENT"));
    });
  });

  test("cannot flush what it has nowhere to put", async () => {
    await withContent(async (instance) => {
      expect(await instance.rpc("content.flush")).toBeUndefined();
      await instance.store("hello");
      await expect(instance.rpc("content.flush")).rejects.toEqual(failsWith("ENOSYS"));
    });
  });

  test("hands all over to a backing that comes later, blobs before checkpoints", async () => {
    await withInstance({}, async (instance) => {
      await instance.load("content");
      const ref = await instance.store("early");
      await instance.rpc("content.checkpoint-put", { key: "k", value: { ref } });
      await instance.load("content-sqlite");
      await instance.rpc("content.flush");
      expect((await instance.blob(ref, "content-backing")).toString()).toBe("early");
      expect(await instance.rpc("content-backing.checkpoint-get", { key: "k" })).toEqual({
        value: { ref },
      });
    });
  });

  test("a checkpoint does not get into a backing before the blobs that are still in memory only", async () => {
    await withInstance({}, async (instance) => {
      await instance.load("content");
      const ref = await instance.store("early");
      await instance.load("content-sqlite");
      await instance.rpc("content.checkpoint-put", { key: "k", value: { ref } });
      expect((await instance.blob(ref, "content-backing")).toString()).toBe("early");
    });
  });

  test("refuses an argument that it does not know", async () => {
    await withInstance({}, async (instance) => {
      for (const argument of ["limits=1", "limit=x", "limit=-1", "limit="]) {
        await expect(instance.load(["content", argument])).rejects.toEqual(failsWith("EINVAL"));
      }
    });
  });
});

describe("content over a backing", () => {
  test("answers a store when the backing has it, and asks it no more for what it holds itself", async () => {
    await withInstance({}, async (instance) => {
      const blobs = await fakeBacking(instance.handle);
      await instance.load(["content", "limit=10"]);
      const client = await instance.broker.connect();
      const store = async (text: string): Promise<unknown> =>
        await client.rpc("content.store", Buffer.from(text));
      await store("12345");
      expect([...blobs.keys()]).toEqual([digestOf("12345")]);
      blobs.clear();
      const load = async (text: string): Promise<unknown> =>
        await client.rpc("content.load", { ref: digestOf(text) });
      expect(Buffer.from((await load("12345")) as Uint8Array).toString()).toBe("12345");
      await store("67890");
      await store("abcde");
      await expect(load("12345")).rejects.toEqual(failsWith("EIO"));
      await client.close();
    });
  });

  test("gives EIO for bytes that do not have the digest, says so in the log, and does not keep them", async () => {
    await withInstance({}, async (instance) => {
      const blobs = await fakeBacking(instance.handle);
      await instance.load("content");
      const client = await instance.broker.connect();
      const ref = digestOf("good");
      blobs.set(ref, Buffer.from("evil"));
      await expect(client.rpc("content.load", { ref })).rejects.toEqual(failsWith("EIO"));
      expect((await instance.logged(({ level }) => level === "err")).text).toContain(ref);
      blobs.set(ref, Buffer.from("good"));
      expect(await client.rpc("content.load", { ref })).toEqual(new Uint8Array(Buffer.from("good")));
      await client.close();
    });
  });
});

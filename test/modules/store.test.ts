import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "libsql";
import { describe, expect, test } from "vitest";
import { ERRNO, type ErrnoName, requestError } from "../../src/errors/index.js";
import { fields, type JsonValue } from "../../src/messages/index.js";
import {
  attributesFor,
  Instance,
  overwriteInBucket,
  type Provider,
  PROVIDERS,
  withDirectory,
  withInstance,
} from "./instance.js";

const failsWith = (name: ErrnoName): unknown => expect.objectContaining({ errnum: ERRNO[name] });

async function startOn(statedir: string, provider: Provider, attributes: Record<string, string> = {}) {
  const all = { ...attributes, ...(await attributesFor(provider)) };
  const instance = await Instance.start({ statedir, attributes: all });
  await instance.load(provider, "content", "kvs");
  return instance;
}

/** A value that is a blob of its own. */
function large(text: string): string {
  return text.padEnd(400, ".");
}

async function dumped(instance: Instance): Promise<Map<string, JsonValue>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of instance.handle.rpcStream("kvs.dump")) {
    if (chunk instanceof Uint8Array) chunks.push(chunk);
  }
  const lines = Buffer.concat(chunks).toString().trimEnd().split("\n").slice(1, -1);
  return new Map(
    lines.map((line) => {
      const { key, value } = fields(JSON.parse(line) as JsonValue, { key: "string", value: "json" });
      return [key, value];
    }),
  );
}

/** Breaks what the newest commit has written, in a store that is not open. */
async function breakNewest(provider: Provider, statedir: string): Promise<void> {
  if (provider === "content-sqlite") {
    const db = new Database(join(statedir, "content.sqlite"));
    const row = db.prepare("SELECT value FROM checkpoints WHERE key = 'kvs'").get() as { value: string };
    const { root } = JSON.parse(row.value) as { root: string };
    db.prepare<[Uint8Array, string]>("UPDATE blobs SET data = ? WHERE ref = ?").run(Buffer.from("bad"), root);
    db.close();
    return;
  }
  if (provider === "content-nats") {
    const newestRoot = async (read: (key: string) => Promise<Buffer>): Promise<string> => {
      const { records } = JSON.parse((await read("records")).toString()) as {
        records: { kvs: { root: string } };
      };
      return records.kvs.root.slice("sha256-".length);
    };
    await overwriteInBucket(statedir, newestRoot, "bad");
    return;
  }
  const directory = join(statedir, "content/segments");
  const name =
    (await readdir(directory))
      .filter((entry) => entry.endsWith(".log"))
      .sort()
      .at(-1) ?? "";
  const bytes = await readFile(join(directory, name));
  bytes.write("#", bytes.length - 20);
  await writeFile(join(directory, name), bytes);
}

test("fault-A3: no head is stored before all that it refers to, whatever a provider answers first", async () => {
  await withInstance({}, async (instance) => {
    const blobs = new Set<string>();
    const early: string[] = [];
    let refusals = 3;
    const provider = instance.handle;
    provider.handle("store", (request) => {
      if (refusals-- > 0) throw requestError("ENOSYS", "not yet");
      const bytes = Buffer.from(request.payload instanceof Uint8Array ? request.payload : []);
      const ref = `sha256-${createHash("sha256").update(bytes).digest("hex")}`;
      blobs.add(ref);
      return { ref };
    });
    provider.handle("checkpoint-put", (request) => {
      const refs = JSON.stringify(request.payload).match(/sha256-[0-9a-f]{64}/g) ?? [];
      early.push(...refs.filter((ref) => !blobs.has(ref)));
      provider.respond(request);
    });
    provider.handle("checkpoint-get", () => {
      throw requestError("ENOENT", "none");
    });
    await provider.registerService("content-backing");
    const client = await instance.broker.connect();
    for (const path of ["content", "kvs"]) await client.rpc("module.load", { path });
    await client.rpc("kvs.commit", { ops: [{ key: "a", value: large("a") }] });
    expect(refusals).toBeLessThan(0);
    expect(blobs.size).toBeGreaterThanOrEqual(2);
    expect(early).toEqual([]);
    await client.close();
  });
});

/** Bytes of all files of a directory and those below it. */
async function sizeOf(directory: string): Promise<number> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(({ parentPath, name }) =>
      // A collection may remove a segment meanwhile.
      stat(join(parentPath, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

test.each(["content-sqlite", "content-files"] as const)(
  "%s: commits of one key keep the directory below four times its size after 100",
  async (provider) => {
    await withDirectory(async (statedir) => {
      const instance = await startOn(statedir, provider);
      const sizes: number[] = [];
      for (let n = 1; n <= 1500; n++) {
        await instance.put("busy", `${n}`.padEnd(200, "x"));
        if (n % 100 === 0) sizes.push(await sizeOf(statedir));
      }
      expect(Math.max(...sizes) / (sizes[0] ?? 0)).toBeLessThan(4);
      await instance.close();
    });
  },
);

describe.each(PROVIDERS)("%s", (provider) => {
  test("fault-A3 trap-K1: when the newest version is broken, after a collection too, the one before it is whole", async () => {
    await withDirectory(async (statedir) => {
      const first = await startOn(statedir, provider);
      for (let n = 0; n < 100; n++) await first.put(`k${n % 50}`, large(String(n)));
      await first.put("kept", large("before"));
      await first.rpc("kvs.collect");
      const version = await first.put("kept", large("newest"));
      await first.crash();
      await breakNewest(provider, statedir);
      const second = await startOn(statedir, provider);
      expect(await second.get("kept")).toBe(large("before"));
      expect((await dumped(second)).size).toBe(51);
      const warned = await second.logged(({ level }) => level === "warning");
      if (provider !== "content-files") {
        expect(warned.text).toContain(`version ${version} cannot be read`);
        expect(warned.text).toContain(`continuing with the previous version, ${version - 1}`);
        expect(await second.put("next", 1)).toBeGreaterThan(version + 1);
      } else expect(warned.text).toMatch(/is damaged: \d+ bytes/);
      await second.close();
    });
  });

  test("trap-K2 trap-K3: commits that repeat old values under constant collection, and crashes in it, lose nothing", async () => {
    await withDirectory(async (statedir) => {
      const expected = new Map<string, string>();
      let seed = 7;
      const random = (below: number): number => (seed = (seed * 48271) % 0x7fff_ffff) % below;
      for (let round = 0; round < 5; round++) {
        const instance = await startOn(statedir, provider);
        for (const [key, value] of expected) expect(await instance.get(key)).toBe(value);
        // One after the other, until the crash cuts one off.
        const collect = (): Promise<unknown> => instance.rpc("kvs.collect").then(collect);
        const collecting = collect().catch(() => "cut off");
        for (let n = 0; n < 60; n++) {
          const [key, value] = [`k${random(8)}.x`, large(String(random(5)))];
          await instance.put(key, value);
          expected.set(key, value);
        }
        await instance.crash();
        expect(await collecting).toBe("cut off");
      }
      const last = await startOn(statedir, provider);
      await last.rpc("kvs.collect");
      expect(await dumped(last)).toEqual(new Map([...expected].sort()));
      await last.close();
    });
  });

  test("trap-K4: what is being read is not collected, and a version beyond the history is ENODATA", async () => {
    await withDirectory(async (statedir) => {
      const instance = await startOn(statedir, provider, { "kvs.history": "3" });
      const keys = Array.from({ length: 2000 }, (_, n) => `k${String(n).padStart(4, "0")}`);
      await instance.commit(keys.map((key) => ({ key, value: large(`old ${key}`) })));
      const stream = instance.handle.rpcStream("kvs.dump");
      const parts = [await stream.next()];
      for (let round = 0; round < 5; round++) {
        await instance.commit(keys.map((key) => ({ key, value: large(`new ${round} ${key}`) })));
        await instance.rpc("kvs.collect");
      }
      for await (const chunk of stream) parts.push({ value: chunk, done: false });
      const text = Buffer.concat(parts.map(({ value }) => value as Uint8Array)).toString();
      expect(text.match(/"value":"old k\d{4}/g)).toHaveLength(keys.length);
      const old = await instance.rpc("kvs.get", { key: "k0000", version: 4 });
      expect(old).toEqual({ value: large("new 2 k0000"), version: 4 });
      await expect(instance.rpc("kvs.get", { key: "k0000", version: 1 })).rejects.toEqual(
        failsWith("ENODATA"),
      );
      await instance.close();
    });
  });

  test("trap-K6: a counter never comes back lower, by unlink, restore or a checkpoint", async () => {
    await withDirectory(async (statedir) => {
      const instance = await startOn(statedir, provider);
      const add = async (amount: number): Promise<number> => {
        const answer = await instance.rpc("kvs.commit", { ops: [{ key: "job.id", add: amount }] });
        const { values } = fields(answer, { values: "object" });
        return Number(values["job.id"]);
      };
      expect(await add(5)).toBe(5);
      await instance.rpc("kvs.checkpoint-make");
      expect(await add(5)).toBe(10);
      await instance.rpc("kvs.checkpoint-restore", { number: 1 });
      expect(await instance.get("job.id")).toBe(10);
      await instance.commit([{ key: "job", unlink: true }]);
      expect(await add(1)).toBe(11);
      await instance.close();
      const again = await startOn(statedir, provider);
      expect(await again.get("job.id")).toBe(11);
      await expect(again.commit([{ key: "job.id", add: -1 }])).rejects.toEqual(failsWith("EINVAL"));
      await again.close();
    });
  });

  test("trap-K8: the size of the store is told, and stays small while somebody reads", async () => {
    await withDirectory(async (statedir) => {
      const instance = await startOn(statedir, provider);
      const keys = Array.from({ length: 3000 }, (_, n) => ({ key: `k${n}`, value: large(String(n)) }));
      await instance.commit(keys);
      const stream = instance.handle.rpcStream("kvs.dump");
      await stream.next();
      for (let n = 0; n < 40; n++) {
        await Promise.all(Array.from({ length: 50 }, (_, i) => instance.put("busy", `${n}/${i}`)));
      }
      const { backing } = fields(await instance.rpc("content.status"), { backing: "object" });
      expect(backing).toMatchObject({ provider });
      expect(backing["walBytes"]).toBeLessThan(4 * 1024 * 1024);
      await stream.return?.();
      await instance.close();
    });
  });

  test("trap-K10: a start reads the top of the newest version, and not the rest", async () => {
    await withDirectory(async (statedir) => {
      const first = await startOn(statedir, provider);
      const keys = Array.from({ length: 3000 }, (_, n) => ({ key: `k${n}`, value: large(String(n)) }));
      await first.commit(keys);
      await first.close();
      const second = await startOn(statedir, provider);
      const before = fields(await second.rpc(`${provider}.stats-get`), { rx: "object" }).rx["request"];
      expect(before).toBeLessThan(60);
      await second.close();
    });
  });

  test("trap-K15: a dump under four writers is one version", async () => {
    await withDirectory(async (statedir) => {
      const instance = await startOn(statedir, provider);
      const keys = Array.from({ length: 2000 }, (_, n) => ({ key: `fill.k${n}`, value: large(String(n)) }));
      await instance.commit(keys);
      let isWriting = true;
      const write = async (writer: number): Promise<void> => {
        for (let n = 0; isWriting; n++) {
          await instance.commit(["a", "fill.x.k", "z"].map((key) => ({ key: `${key}${writer}`, value: n })));
        }
      };
      const writers = [0, 1, 2, 3].map(write);
      for (let round = 0; round < 3; round++) {
        const all = await dumped(instance);
        for (const writer of [0, 1, 2, 3]) {
          expect(all.get(`z${writer}`)).toBe(all.get(`a${writer}`));
        }
      }
      isWriting = false;
      await Promise.all(writers);
      await instance.close();
    });
  });
});

import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import Database from "libsql";
import { describe, expect, test } from "vitest";
import { ERRNO, type ErrnoName } from "../../src/errors/index.js";
import type { JsonValue } from "../../src/messages/index.js";
import { blobref } from "../../src/modules/content/blob.js";
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

/** Writes other bytes into the place where a provider keeps a blob of this text. */
async function damage(
  provider: Provider,
  statedir: string,
  [ref, text]: readonly [ref: string, text: string],
): Promise<void> {
  if (provider === "content-sqlite") {
    const db = new Database(join(statedir, "content.sqlite"));
    db.prepare<[Uint8Array, string]>("UPDATE blobs SET data = ? WHERE ref = ?").run(Buffer.from("bad"), ref);
    db.close();
  } else if (provider === "content-nats") {
    await overwriteInBucket(statedir, () => Promise.resolve(ref.slice("sha256-".length)), "bad");
  } else {
    const directory = join(statedir, "content/segments");
    const [name = ""] = await readdir(directory);
    const bytes = await readFile(join(directory, name));
    bytes.write("b", bytes.lastIndexOf(text));
    await writeFile(join(directory, name), bytes);
  }
}

describe.each(PROVIDERS)("%s", (provider) => {
  async function withProvider(use: (instance: Instance, statedir: string) => Promise<void>): Promise<void> {
    await withDirectory(async (statedir) => {
      await withInstance({ statedir, attributes: await attributesFor(provider) }, async (instance) => {
        await instance.load(provider);
        await use(instance, statedir);
      });
    });
  }

  test("stores and loads blobs of any bytes, and keeps checkpoints, under both its names", async () => {
    await withProvider(async (instance) => {
      for (const bytes of [Buffer.alloc(0), Buffer.from([0, 255, 10, 0]), Buffer.alloc(3_000_000, 7)]) {
        const ref = await instance.store(bytes, "content-backing");
        expect(ref).toBe(blobref(bytes));
        expect((await instance.blob(ref, provider)).equals(bytes)).toBe(true);
      }
      await instance.rpc("content-backing.checkpoint-put", { key: "a/../b", value: [1] });
      await instance.rpc("content-backing.checkpoint-put", { key: "a/../b", value: null });
      expect(await instance.rpc("content-backing.checkpoint-get", { key: "a/../b" })).toEqual({
        value: null,
      });
      expect(await instance.rpc("content-backing.flush")).toBeUndefined();
    });
  });

  test("fails with ENOENT for what is not there and EINVAL for what is no reference", async () => {
    await withProvider(async (instance) => {
      await expect(instance.blob(blobref(Buffer.from("none")), provider)).rejects.toEqual(
        failsWith("ENOENT"),
      );
      await expect(instance.blob("sha256-../x", provider)).rejects.toEqual(failsWith("EINVAL"));
      const get = instance.rpc("content-backing.checkpoint-get", { key: "none" });
      await expect(get).rejects.toEqual(failsWith("ENOENT"));
    });
  });

  test("takes many blobs at once, the same one several times among them", async () => {
    await withProvider(async (instance) => {
      const texts = Array.from({ length: 600 }, (_, index) => `blob ${index % 500}`);
      const refs = await Promise.all(texts.map((text) => instance.store(text, "content-backing")));
      for (const at of [0, 250, 599]) {
        expect((await instance.blob(refs[at] ?? "", provider)).toString()).toBe(texts[at]);
      }
    });
  });

  test("of puts of one checkpoint that come at once the last one stays", async () => {
    await withProvider(async (instance) => {
      const puts = Array.from({ length: 50 }, (_, value) =>
        instance.rpc("content-backing.checkpoint-put", { key: "k", value }),
      );
      await Promise.all(puts);
      expect(await instance.rpc("content-backing.checkpoint-get", { key: "k" })).toEqual({ value: 49 });
    });
  });

  test("lets nobody else read its files", async () => {
    await withProvider(async (instance, statedir) => {
      await instance.store("secret", provider);
      const entries = await readdir(statedir);
      expect(entries).not.toEqual([]);
      for (const entry of entries) expect((await stat(join(statedir, entry))).mode & 0o077).toBe(0);
    });
  });

  test("a damaged blob is EIO through content, and good again after the next store of it", async () => {
    await withProvider(async (instance, statedir) => {
      await instance.load(["content", "limit=0"]);
      const ref = await instance.store("good");
      await damage(provider, statedir, [ref, "good"]);
      await expect(instance.blob(ref)).rejects.toEqual(failsWith("EIO"));
      await instance.store("good");
      expect((await instance.blob(ref)).toString()).toBe("good");
    });
  });

  test("a second provider of content-backing is refused with EEXIST", async () => {
    await withProvider(async (instance) => {
      const other = PROVIDERS.find((name) => name !== provider) ?? provider;
      await expect(instance.load(other)).rejects.toEqual(failsWith("EEXIST"));
    });
  });
});

test("content-files reads what version 0.3 has left, and clears away what it was writing when it died", async () => {
  await withDirectory(async (statedir) => {
    const content = join(statedir, "content");
    const ref = blobref(Buffer.from("old blob"));
    for (const name of ["00", "temporary", "checkpoints", ref.slice(7, 9)]) {
      await mkdir(join(content, name), { recursive: true });
    }
    await writeFile(join(content, ref.slice(7, 9), ref.slice(9)), "old blob");
    await writeFile(
      join(content, "checkpoints/whatever"),
      JSON.stringify({ key: "k", value: { root: ref } }),
    );
    await writeFile(join(content, "temporary/0"), "half of a blo");
    await withInstance({ statedir }, async (instance) => {
      await instance.load("content-files");
      expect(await readdir(content)).not.toContain("temporary");
      expect((await instance.blob(ref, "content-files")).toString()).toBe("old blob");
      const get = instance.rpc("content-files.checkpoint-get", { key: "k" });
      expect(await get).toEqual({ value: { root: ref } });
    });
  });
});

test("content-sqlite cannot be loaded over a file that is no database", async () => {
  await withDirectory(async (statedir) => {
    await writeFile(join(statedir, "content.sqlite"), "this is not a database ".repeat(100));
    await withInstance({ statedir }, async (instance) => {
      await expect(instance.load("content-sqlite")).rejects.toEqual(failsWith("EIO"));
    });
  });
});

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("store" as const), text: fc.string({ maxLength: 3 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("load" as const), text: fc.string({ maxLength: 3 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      key: fc.constantFrom("a", "b", "..", "\u0000"),
      value: fc.jsonValue(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("get" as const),
      key: fc.constantFrom("a", "b", "..", "\u0000"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
);

test("all providers give the same answers as a map, also over restarts", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
      for (const provider of PROVIDERS) {
        await withDirectory(async (statedir) => {
          const start = async (): Promise<Instance> => {
            const instance = await Instance.start({ statedir, attributes: await attributesFor(provider) });
            await instance.load(provider);
            return instance;
          };
          let instance = await start();
          const blobs = new Set<string>();
          const checkpoints = new Map<string, JsonValue>();
          for (const item of steps) {
            switch (item.kind) {
              case "store":
                blobs.add(await instance.store(item.text, "content-backing"));
                break;
              case "load": {
                const ref = blobref(Buffer.from(item.text));
                const load = instance.blob(ref, "content-backing");
                if (blobs.has(ref)) expect((await load).toString()).toBe(item.text);
                else await expect(load).rejects.toEqual(failsWith("ENOENT"));
                break;
              }
              case "put": {
                const value = JSON.parse(JSON.stringify(item.value)) as JsonValue;
                await instance.rpc("content-backing.checkpoint-put", { key: item.key, value });
                checkpoints.set(item.key, value);
                break;
              }
              case "get": {
                const get = instance.rpc("content-backing.checkpoint-get", { key: item.key });
                if (checkpoints.has(item.key)) {
                  expect(await get).toEqual({ value: checkpoints.get(item.key) });
                } else await expect(get).rejects.toEqual(failsWith("ENOENT"));
                break;
              }
              case "restart":
                await instance.crash();
                instance = await start();
            }
          }
          await instance.close();
        });
      }
    }),
    { numRuns: 8 },
  );
});

import { describe, expect, test } from "vitest";
import { ERRNO, requestError } from "../../src/errors/index.js";
import { fields, type Handle, type Payload } from "../../src/messages/index.js";
import { startBroker } from "./support/start-broker.js";

/** Notes the configurations that it is given, and refuses those with `bad` set. */
function watcher(seen: Payload[]) {
  return async (h: Handle): Promise<void> => {
    h.handle("config-reload", (request) => {
      seen.push(request.payload);
      if (fields(request.payload, { bad: "boolean?" }).bad === true)
        throw requestError("EINVAL", "bad is not for me");
      return null;
    });
    h.handle("conf", () => h.conf() ?? null);
    await h.run();
  };
}

describe("config.get", () => {
  test("gives the whole, or what is at a dotted key", async () => {
    const config = {
      a: { b: [1, 2n], "c.d": false },
      when: new Date("2026-01-02T03:04:05Z"),
      big: 2n ** 60n,
    };
    const { handle } = await startBroker({}, { config });
    const json = { a: { b: [1, 2], "c.d": false }, when: "2026-01-02T03:04:05.000Z", big: String(2n ** 60n) };
    expect(await handle.rpc("config.get")).toEqual({ value: json });
    expect(await handle.rpc("config.get", { key: "a.b" })).toEqual({ value: [1, 2] });
    for (const key of ["a.x", "a.b.c", "a.b.0", "constructor", "a.toString"]) {
      await expect(handle.rpc("config.get", { key })).rejects.toMatchObject({ errnum: ERRNO.ENOENT });
    }
  });
});

describe("config.load", () => {
  test("reaches every module that runs, and those that start later", async () => {
    const seen: Payload[] = [];
    const { handle } = await startBroker({ watcher: watcher(seen) }, { config: { v: 1 } });
    await handle.rpc("module.load", { path: "/mem/watcher" });
    expect(await handle.rpc("watcher.conf")).toEqual({ v: 1 });
    await handle.rpc("config.load", { config: { v: 2 } });
    expect(seen).toEqual([{ v: 2 }]);
    expect(await handle.rpc("watcher.conf")).toEqual({ v: 2 });
    await handle.rpc("module.load", { path: "/mem/watcher", name: "second" });
    expect(await handle.rpc("second.conf")).toEqual({ v: 2 });
  });

  test("fault-C5 is accepted by a handler that returns nothing", async () => {
    const quiet = async (h: Handle): Promise<void> => {
      h.handle("config-reload", () => undefined);
      h.handle("conf", () => h.conf() ?? null);
      await h.run();
    };
    const { handle } = await startBroker({ quiet }, { config: { v: 1 } });
    await handle.rpc("module.load", { path: "/mem/quiet" });
    await handle.rpc("config.load", { config: { v: 2 } });
    expect(await handle.rpc("quiet.conf")).toEqual({ v: 2 });
  });

  test("fault-C5 is taken back from a module that does not answer in time, too", async () => {
    const waiting = async (h: Handle): Promise<void> => {
      h.handle("config-reload", () => new Promise<null>(() => undefined));
      h.handle("conf", () => h.conf() ?? null);
      await h.run();
    };
    const { handle } = await startBroker(
      { waiting, watcher: watcher([]) },
      { config: { v: 5 }, attributes: { "config.reload-timeout": "100ms" } },
    );
    await handle.rpc("module.load", { path: "/mem/waiting" });
    await handle.rpc("module.load", { path: "/mem/watcher" });
    await expect(handle.rpc("config.load", { config: { v: 77 } })).rejects.toMatchObject({
      errnum: ERRNO.EINVAL,
      message: expect.stringContaining("waiting: ") as string,
    });
    expect(await handle.rpc("config.get")).toEqual({ value: { v: 5 } });
    expect(await handle.rpc("watcher.conf")).toEqual({ v: 5 });
    expect(await handle.rpc("waiting.conf")).toEqual({ v: 5 });
  });

  test("is put back everywhere when one module refuses, which it names", async () => {
    const [first, second]: Payload[][] = [[], []];
    const accepting = async (h: Handle): Promise<void> => {
      h.handle("config-reload", (request) => {
        first?.push(request.payload);
        return null;
      });
      await h.run();
    };
    const { handle } = await startBroker(
      { accepting, refusing: watcher(second ?? []) },
      { config: { v: 1 } },
    );
    await handle.rpc("module.load", { path: "/mem/accepting" });
    await handle.rpc("module.load", { path: "/mem/refusing" });
    const refused = handle.rpc("config.load", { config: { bad: true } });
    await expect(refused).rejects.toMatchObject({ errnum: ERRNO.EINVAL });
    await expect(refused).rejects.toThrow(/refusing/);
    expect(first).toEqual([{ bad: true }, { v: 1 }]);
    expect(second).toEqual([{ bad: true }]);
    expect(await handle.rpc("config.get")).toEqual({ value: { v: 1 } });
  });

  test("is checked before any module sees it", async () => {
    const seen: Payload[] = [];
    const { handle } = await startBroker(
      { watcher: watcher(seen) },
      { checkConfig: (config) => ("modules" in config ? "modules: not a table" : undefined) },
    );
    await handle.rpc("module.load", { path: "/mem/watcher" });
    const refused = handle.rpc("config.load", { config: { modules: 1 } });
    await expect(refused).rejects.toMatchObject({ errnum: ERRNO.EINVAL, message: "modules: not a table" });
    expect(seen).toEqual([]);
  });

  test("one follows the other, however they come", async () => {
    const seen: Payload[] = [];
    const { handle } = await startBroker({ watcher: watcher(seen) });
    await handle.rpc("module.load", { path: "/mem/watcher" });
    await Promise.all([1, 2, 3].map((v) => handle.rpc("config.load", { config: { v } })));
    expect(seen).toEqual([{ v: 1 }, { v: 2 }, { v: 3 }]);
  });

  test("while a module is starting reaches it once it runs", async () => {
    const seen: Payload[] = [];
    let begin = (): void => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    let arrived = (): void => undefined;
    const starting = new Promise<void>((resolve) => (arrived = resolve));
    const slow = async (h: Handle): Promise<void> => {
      arrived();
      await begun;
      await watcher(seen)(h);
    };
    const { handle } = await startBroker({ slow }, { config: { v: 1 } });
    const load = handle.rpc("module.load", { path: "/mem/slow" });
    await starting;
    await handle.rpc("config.load", { config: { v: 2 } });
    begin();
    await load;
    expect(await handle.rpc("slow.conf")).toEqual({ v: 2 });
    expect(seen).toEqual([{ v: 2 }]);
  });
});

describe("config.reload", () => {
  test("reads the configuration again", async () => {
    let version = 1;
    const { handle } = await startBroker(
      {},
      { config: { v: 1 }, readConfig: () => Promise.resolve({ v: version }) },
    );
    version = 2;
    await handle.rpc("config.reload");
    expect(await handle.rpc("config.get", { key: "v" })).toEqual({ value: 2 });
  });

  test("fails with ENOENT when it came from no file", async () => {
    const { handle } = await startBroker();
    await expect(handle.rpc("config.reload")).rejects.toMatchObject({ errnum: ERRNO.ENOENT });
  });
});

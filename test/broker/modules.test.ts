import { describe, expect, test } from "vitest";
import { ERRNO, isErrno, requestError } from "../../src/errors/index.js";
import { fields, type Handle, type JsonValue } from "../../src/messages/index.js";
import { startBroker } from "./support/start-broker.js";

const idle = async (h: Handle): Promise<void> => h.run();

const echo = async (h: Handle): Promise<void> => {
  h.handle("echo", (request) => request.payload);
  h.handle("args", () => [...h.args]);
  await h.run();
};

/** Never answers `wait`. */
const silent = async (h: Handle): Promise<void> => {
  h.handle("wait", () => undefined);
  h.handle("fail", () => {
    h.stop(new Error("boom"));
    return null;
  });
  await h.run();
};

async function listed(h: Handle): Promise<readonly JsonValue[]> {
  return fields(await h.rpc("module.list"), { modules: "array" }).modules;
}

describe("load", () => {
  test("answers when the module runs, under the file's name or the one given", async () => {
    const { handle } = await startBroker({ echo });
    const loaded = await handle.rpc("module.load", { path: "/mem/echo", args: ["a=1"] });
    const { name, uuid } = fields(loaded, { name: "string", uuid: "string" });
    expect(name).toBe("echo");
    await handle.rpc("module.load", { path: "/mem/echo", name: "echo2", explicit: true });
    expect(await handle.rpc("echo2.echo", { x: 1 })).toEqual({ x: 1 });
    expect(await handle.rpc("echo.args")).toEqual(["a=1"]);
    expect(await listed(handle)).toEqual([
      {
        name: "echo",
        uuid,
        path: "/mem/echo",
        args: ["a=1"],
        state: "R",
        idleSeconds: 0,
        owedSeconds: 0,
        sendq: 0,
        recvq: 0,
        services: [],
        explicit: false,
        digest: null,
        size: null,
        loader: "thread",
        pid: null,
        thread: "own",
      },
      expect.objectContaining({ name: "echo2", state: "R", explicit: true }),
    ]);
  });

  test("of a name that is taken fails with EEXIST, whether by a module, a service or the broker", async () => {
    const provider = async (h: Handle): Promise<void> => {
      await h.registerService("extra");
      await h.run();
    };
    const { handle } = await startBroker({ echo, provider });
    await handle.rpc("module.load", { path: "/mem/echo" });
    await handle.rpc("module.load", { path: "/mem/provider" });
    for (const name of ["echo", "extra", "config", "log", "attr", "event", "module", "service", "broker"]) {
      await expect(handle.rpc("module.load", { path: "/mem/echo", name })).rejects.toMatchObject({
        errnum: ERRNO.EEXIST,
      });
    }
  });

  test("of what cannot be a name fails with EINVAL, of a missing file with ENOENT", async () => {
    const { handle } = await startBroker({ echo });
    for (const name of ["a.b", "", "modules", "-x"]) {
      await expect(handle.rpc("module.load", { path: "/mem/echo", name })).rejects.toMatchObject({
        errnum: ERRNO.EINVAL,
      });
    }
    await expect(handle.rpc("module.load", { path: "/mem/nowhere" })).rejects.toMatchObject({
      errnum: ERRNO.ENOENT,
    });
  });

  test("fails with the module's own error when it throws before it runs, and frees the name", async () => {
    const broken = (): Promise<void> => Promise.reject(requestError("EBUSY", "device in use"));
    const { handle, loader } = await startBroker({ broken });
    await expect(handle.rpc("module.load", { path: "/mem/broken" })).rejects.toMatchObject({
      errnum: ERRNO.EBUSY,
      message: "broken: device in use (Device or resource busy)",
    });
    expect(await listed(handle)).toEqual([]);
    loader.set("broken", idle);
    await handle.rpc("module.load", { path: "/mem/broken" });
  });

  test("fails with ECONNRESET when the module returns before it runs", async () => {
    const { handle } = await startBroker({ brief: () => Promise.resolve() });
    await expect(handle.rpc("module.load", { path: "/mem/brief" })).rejects.toMatchObject({
      errnum: ERRNO.ECONNRESET,
    });
  });

  test("of one name twice at the same time succeeds once", async () => {
    const { handle } = await startBroker({ echo });
    const results = await Promise.allSettled([
      handle.rpc("module.load", { path: "/mem/echo" }),
      handle.rpc("module.load", { path: "/mem/echo" }),
    ]);
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected"]);
  });
});

describe("remove", () => {
  test("lets the module end, and answers when it is gone", async () => {
    let ended = false;
    const tidy = async (h: Handle): Promise<void> => {
      await h.run();
      ended = true;
    };
    const { handle, broker } = await startBroker({ tidy });
    await handle.rpc("module.load", { path: "/mem/tidy" });
    await handle.rpc("module.remove", { name: "tidy" });
    expect(ended).toBe(true);
    expect(await listed(handle)).toEqual([]);
    await expect(handle.rpc("tidy.ping")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    expect((await broker.close()).status).toBe(0);
  });

  test("also takes the path that the module was loaded from", async () => {
    const { handle } = await startBroker({ echo });
    await handle.rpc("module.load", { path: "/mem/echo", name: "other" });
    await handle.rpc("module.remove", { name: "/mem/echo" });
    expect(await listed(handle)).toEqual([]);
  });

  test("of what is not loaded fails with ENOENT", async () => {
    const { handle } = await startBroker();
    await expect(handle.rpc("module.remove", { name: "ghost" })).rejects.toMatchObject({
      errnum: ERRNO.ENOENT,
    });
  });

  test("with cancel ends a module that does not listen, also while it is still initializing", async () => {
    const deaf = (): Promise<void> => new Promise(() => undefined);
    const { handle } = await startBroker({ deaf });
    const load = handle.rpc("module.load", { path: "/mem/deaf", name: "deaf" });
    const failed = expect(load).rejects.toMatchObject({ errnum: ERRNO.ECANCELED });
    await handle.rpc("module.remove", { name: "deaf", cancel: true });
    await failed;
    expect(await listed(handle)).toEqual([]);
  });

  test("requests that come once it is finalizing get ENOSYS", async () => {
    let finish = (): void => undefined;
    const slow = async (h: Handle): Promise<void> => {
      await h.run();
      await new Promise<void>((resolve) => (finish = resolve));
    };
    const { handle } = await startBroker({ slow });
    await handle.rpc("module.load", { path: "/mem/slow" });
    const removal = handle.rpc("module.remove", { name: "slow" });
    await expect(handle.rpc("slow.nothing")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    finish();
    await removal;
  });

  test("of a module that fails on its way out fails with its error, and does not bring the instance down", async () => {
    const sore = async (h: Handle): Promise<void> => {
      await h.run();
      throw requestError("ENOSPC", "disk is full");
    };
    const { handle, broker, log } = await startBroker({ sore });
    const reasons: unknown[] = [];
    broker.onShutdown((reason) => reasons.push(reason));
    await handle.rpc("module.load", { path: "/mem/sore" });
    await expect(handle.rpc("module.remove", { name: "sore" })).rejects.toMatchObject({
      errnum: ERRNO.ENOSPC,
    });
    expect(log).toContainEqual(
      expect.objectContaining({ level: "crit", text: "sore module runtime failure: disk is full" }),
    );
    expect(reasons).toEqual([]);
  });
});

describe("a module that fails while it runs", () => {
  test("is logged at crit, its pending requests fail with ECONNRESET, and the instance is to go down", async () => {
    const { handle, broker, logged } = await startBroker({ silent });
    const down = new Promise((resolve) => broker.onShutdown(resolve));
    await handle.rpc("module.load", { path: "/mem/silent" });
    const pending = handle.rpc("silent.wait");
    handle.notify("silent.fail");
    await expect(pending).rejects.toMatchObject({
      errnum: ERRNO.ECONNRESET,
      message: "silent: module disconnect",
    });
    const entry = await logged("silent module runtime failure");
    expect(entry).toMatchObject({ level: "crit", name: "broker" });
    expect(entry.text).toContain("boom");
    expect(await down).toEqual({ kind: "panic", message: "silent module runtime failure: boom" });
    expect(broker.pendingRequests).toBe(0);
    expect(await listed(handle)).toEqual([]);
    expect((await broker.close()).status).toBe(1);
  });

  test("says how its process died", async () => {
    const { handle, loader, logged } = await startBroker({ idle });
    await handle.rpc("module.load", { path: "/mem/idle", onFailure: "log" });
    loader.crash("idle", "killed by Segmentation fault");
    expect((await logged("runtime failure")).text).toBe(
      "idle module runtime failure: killed by Segmentation fault",
    );
  });

  test.each([
    ["on-failure is log", { onFailure: "log" }, {}],
    ["broker.module-nopanic is 1", {}, { "broker.module-nopanic": "1" }],
  ])("does not bring the instance down when %s", async (_case, request, attributes) => {
    const { handle, broker, loader, logged } = await startBroker({ idle }, { attributes });
    const reasons: unknown[] = [];
    broker.onShutdown((reason) => reasons.push(reason));
    await handle.rpc("module.load", { path: "/mem/idle", ...request });
    loader.crash("idle", "crashed");
    await logged("runtime failure");
    expect(await listed(handle)).toEqual([]);
    expect(reasons).toEqual([]);
    expect((await broker.close()).status).toBe(0);
  });

  test("that ends by itself without an error has not failed", async () => {
    const done = async (h: Handle): Promise<void> => {
      h.handle("finish", () => {
        h.stop();
        return null;
      });
      await h.run();
    };
    const { handle, broker, log, logged } = await startBroker({ done });
    await handle.rpc("module.load", { path: "/mem/done" });
    await handle.rpc("done.finish");
    await logged("done exited");
    expect(log.filter((entry) => entry.level === "crit")).toEqual([]);
    expect((await broker.close()).status).toBe(0);
  });
});

describe("on-failure = restart", () => {
  test("waits 1 s, then twice as long each time, and after 5 restarts gives up and panics", async () => {
    const { handle, broker, loader, clock, logged } = await startBroker({ idle });
    const down = new Promise((resolve) => broker.onShutdown(resolve));
    await handle.rpc("module.load", { path: "/mem/idle", onFailure: "restart" });
    for (const seconds of [1, 2, 4, 8, 16]) {
      loader.crash("idle", "crashed");
      await logged(`idle restarts in ${seconds} s`);
      expect(clock.delays).toEqual([seconds * 1000]);
      const starts = loader.started.length;
      clock.advance(seconds * 1000 - 1);
      expect(loader.started).toHaveLength(starts);
      clock.advance(1);
      expect(loader.started).toHaveLength(starts + 1);
      await handle.rpc("idle.ping");
    }
    loader.crash("idle", "crashed");
    expect(await down).toMatchObject({ kind: "panic" });
    expect(clock.delays).toEqual([]);
  });

  test("counts a restart whose load fails as a failure", async () => {
    const { handle, loader, clock, logged } = await startBroker({ idle });
    await handle.rpc("module.load", { path: "/mem/idle", onFailure: "restart" });
    loader.set("idle", () => Promise.reject(new Error("still broken")));
    loader.crash("idle", "crashed");
    await logged("idle restarts in 1 s");
    clock.advance(1000);
    expect((await logged("idle restarts in 2 s")).level).toBe("notice");
    loader.set("idle", idle);
    clock.advance(2000);
    await logged("idle runs again");
    await handle.rpc("idle.ping");
  });

  test("keeps the name meanwhile, and a removal calls the restart off", async () => {
    const { handle, loader, clock, logged } = await startBroker({ idle });
    await handle.rpc("module.load", { path: "/mem/idle", onFailure: "restart" });
    loader.crash("idle", "crashed");
    await logged("idle restarts");
    expect(await listed(handle)).toEqual([expect.objectContaining({ name: "idle", state: "E" })]);
    await expect(handle.rpc("idle.ping")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    await expect(handle.rpc("module.load", { path: "/mem/idle" })).rejects.toMatchObject({
      errnum: ERRNO.EEXIST,
    });
    await handle.rpc("module.remove", { name: "idle" });
    expect(clock.delays).toEqual([]);
    expect(await listed(handle)).toEqual([]);
  });
});

describe("a thread group", () => {
  test("has nothing to lose when a module that waits for its restart is cancelled", async () => {
    const { handle, loader, logged } = await startBroker({ echo, idle });
    await handle.rpc("module.load", { path: "/mem/echo", thread: "yard" });
    await handle.rpc("module.load", { path: "/mem/idle", thread: "yard", onFailure: "restart" });
    loader.crash("idle", "crashed");
    await logged("idle restarts");
    await handle.rpc("module.remove", { name: "idle", cancel: true });
    expect(await listed(handle)).toEqual([expect.objectContaining({ name: "echo", state: "R" })]);
    await handle.rpc("module.remove", { name: "echo", cancel: true });
  });
});

describe("close", () => {
  test("names the modules that nobody removed, and counts as failed", async () => {
    const { handle, broker, log } = await startBroker({ echo, idle });
    await handle.rpc("module.load", { path: "/mem/echo" });
    await handle.rpc("module.load", { path: "/mem/idle" });
    await handle.rpc("module.remove", { name: "echo" });
    expect(await broker.close()).toEqual({ status: 1, notShutDown: ["idle"] });
    expect(log.map((entry) => entry.text)).toContain("broker module 'idle' was not properly shut down");
  });

  test("fails loads and requests that are under way", async () => {
    const { handle, broker } = await startBroker({ deaf: () => new Promise(() => undefined), silent });
    await handle.rpc("module.load", { path: "/mem/silent" });
    const load = handle.rpc("module.load", { path: "/mem/deaf", name: "deaf" });
    const request = handle.rpc("silent.wait");
    const outcomes = Promise.allSettled([load, request]);
    await handle.rpc("module.list");
    await broker.close();
    for (const outcome of await outcomes) {
      expect(outcome.status).toBe("rejected");
      if (outcome.status === "rejected") {
        expect(isErrno(outcome.reason, "ECANCELED") || isErrno(outcome.reason, "ECONNRESET")).toBe(true);
      }
    }
    await expect(broker.connect()).rejects.toMatchObject({ code: "BROKER_STATE" });
  });
});

describe("module.debug", () => {
  test("holds back what a module would receive, until it is let go on", async () => {
    const { handle } = await startBroker({ echo });
    await handle.rpc("module.load", { path: "/mem/echo" });
    await handle.rpc("module.debug", { name: "echo", defer: true });
    const answers = [1, 2].map((n) => handle.rpc("echo.echo", n));
    const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
    expect(modules).toEqual([expect.objectContaining({ sendq: 2 })]);
    await handle.rpc("module.debug", { name: "echo", defer: false });
    expect(await Promise.all(answers)).toEqual([1, 2]);
    await expect(handle.rpc("module.debug", { name: "ghost", defer: true })).rejects.toMatchObject({
      errnum: ERRNO.ENOENT,
    });
  });
});

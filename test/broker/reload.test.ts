import { describe, expect, test } from "vitest";
import { ERRNO, requestError } from "../../src/errors/index.js";
import { fields, type Handle, type Payload } from "../../src/messages/index.js";
import { LazyLoader } from "./support/lazy-loader.js";
import { startBroker } from "./support/start-broker.js";

/** A promise that the test settles. */
function gate(): { readonly opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

/** A module that records what it gets, and answers with its generation. */
function recorder(generation: string, seen: string[], hooks: { start?: Promise<void>; end?: Promise<void> }) {
  return async (h: Handle): Promise<void> => {
    await h.registerService("recording");
    h.handle("put", (request) => {
      seen.push(`${generation} ${JSON.stringify(request.payload)}`);
      return generation;
    });
    await hooks.start;
    await h.run();
    await hooks.end;
  };
}

describe("requests during a reload", () => {
  test("are held, and replayed in order to the new instance, before any that come later", async () => {
    const seen: string[] = [];
    const start = gate();
    const { handle, loader, broker } = await startBroker({ rec: recorder("old", seen, {}) });
    const first = fields(await handle.rpc("module.load", { path: "/mem/rec" }), { uuid: "string" });
    loader.set("rec", recorder("new", seen, { start: start.opened }));
    const reload = handle.rpc("module.reload", { name: "rec", args: ["x"] });
    const answers = [1, 2, 3].map((n) => handle.rpc(n === 2 ? "recording.put" : "rec.put", n));
    await handle.rpc("module.list");
    expect(seen).toEqual([]);
    start.open();
    expect(await Promise.all(answers)).toEqual(["new", "new", "new"]);
    expect(seen).toEqual(["new 1", "new 2", "new 3"]);
    const second = fields(await reload, { name: "string", uuid: "string" });
    expect(second.name).toBe("rec");
    expect(second.uuid).not.toBe(first.uuid);
    expect(loader.started.map((spec) => spec.args)).toEqual([[], ["x"]]);
    expect(await handle.rpc("recording.put", 4)).toBe("new");
    expect(broker.pendingRequests).toBe(0);
  });

  test("go to the new instance too if the old one had been sent them but had not read them", async () => {
    const raw = new LazyLoader();
    const { handle, broker } = await startBroker({}, { findModule: raw.find });
    await handle.rpc("module.load", { path: "/mem/rec" });
    const first = handle.rpc("rec.put", "first");
    const second = handle.rpc("rec.put", "second");
    await raw.received("rec.put", 2);
    const reload = handle.rpc("module.reload", { name: "rec" });
    const third = handle.rpc("rec.put", "third");
    expect(await Promise.all([first, second, third])).toEqual(['"first"', '"second"', '"third"']);
    await reload;
    expect(raw.read).toEqual(['"first"', '"second"', '"third"']);
    expect(broker.pendingRequests).toBe(0);
  });

  test("fail with the error of the new instance if it cannot be loaded", async () => {
    const { handle, loader, broker } = await startBroker({ rec: recorder("old", [], {}) });
    await handle.rpc("module.load", { path: "/mem/rec" });
    loader.set("rec", () => Promise.reject(requestError("ENOSPC", "no room")));
    const reload = handle.rpc("module.reload", { name: "rec" });
    const outcomes = await Promise.allSettled([
      reload,
      handle.rpc("rec.put", 1),
      handle.rpc("recording.put"),
    ]);
    const rejected = (message: string) => ({
      status: "rejected",
      reason: { errnum: ERRNO.ENOSPC, message },
    });
    expect(outcomes).toMatchObject([
      rejected("rec is stopped; its file cannot be loaded: rec: no room (No space left on device)"),
      rejected("rec: no room (No space left on device)"),
      rejected("rec: no room (No space left on device)"),
    ]);
    expect(broker.pendingRequests).toBe(0);
    await expect(handle.rpc("rec.put")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
  });

  test("beyond a thousand fail with ENOSYS at once", async () => {
    const end = gate();
    const { handle } = await startBroker({ rec: recorder("gen", [], { end: end.opened }) });
    await handle.rpc("module.load", { path: "/mem/rec" });
    const reload = handle.rpc("module.reload", { name: "rec" });
    const held = Array.from({ length: 1000 }, (_, n) => handle.rpc("rec.put", n));
    await expect(handle.rpc("rec.put")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    end.open();
    await reload;
    expect(new Set(await Promise.all(held))).toEqual(new Set(["gen"]));
  });

  test("fail with ENOSYS when they have been held for ten seconds", async () => {
    const end = gate();
    const { handle, clock } = await startBroker({ rec: recorder("gen", [], { end: end.opened }) });
    await handle.rpc("module.load", { path: "/mem/rec" });
    const reload = handle.rpc("module.reload", { name: "rec" });
    let settled = false;
    const held = handle.rpc("rec.put").finally(() => (settled = true));
    const failed = expect(held).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    await handle.rpc("module.list");
    clock.advance(9999);
    await handle.rpc("module.list");
    expect(settled).toBe(false);
    clock.advance(1);
    await failed;
    await expect(handle.rpc("rec.put")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    end.open();
    await reload;
    expect(await handle.rpc("rec.put")).toBe("gen");
    expect(clock.delays).toEqual([]);
  });

  test("of a sender that went away are dropped", async () => {
    const seen: string[] = [];
    const end = gate();
    const { handle, broker } = await startBroker({ rec: recorder("gen", seen, { end: end.opened }) });
    await handle.rpc("module.load", { path: "/mem/rec" });
    const other = await broker.connect();
    const reload = handle.rpc("module.reload", { name: "rec" });
    await handle.rpc("module.list");
    const lost = expect(other.rpc("rec.put", "lost")).rejects.toMatchObject({ errnum: ERRNO.ECANCELED });
    await other.rpc("attr.list");
    await other.close();
    await lost;
    const kept = handle.rpc("rec.put", "kept");
    end.open();
    await reload;
    expect(await kept).toBe("gen");
    expect(seen).toEqual(['gen "kept"']);
  });
});

describe("module.reloaded", () => {
  interface Heard {
    readonly next: () => Promise<Payload>;
  }

  async function listen(handle: Handle): Promise<Heard> {
    const events: Payload[] = [];
    const waiting: ((payload: Payload) => void)[] = [];
    await handle.subscribe("module.reloaded", ({ payload }) => {
      const waiter = waiting.shift();
      if (waiter === undefined) events.push(payload);
      else waiter(payload);
    });
    const next = (): Promise<Payload> => {
      const payload = events.shift();
      return payload === undefined
        ? new Promise((resolve) => waiting.push(resolve))
        : Promise.resolve(payload);
    };
    return { next };
  }

  test("tells of the new instance after a reload, and of nothing after a load", async () => {
    const { handle } = await startBroker({ rec: recorder("gen", [], {}) });
    const { next } = await listen(handle);
    await handle.rpc("module.load", { path: "/mem/rec" });
    const reloaded = fields(await handle.rpc("module.reload", { name: "rec" }), { uuid: "string" });
    expect(await next()).toEqual({ name: "rec", uuid: reloaded.uuid, rank: 0 });
    expect(await handle.publish("other")).toBe(2);
  });

  test("is not published when the new instance cannot be loaded", async () => {
    const { handle, loader } = await startBroker({ rec: recorder("gen", [], {}) });
    await handle.rpc("module.load", { path: "/mem/rec" });
    loader.set("rec", () => Promise.reject(requestError("ENOSPC", "no room")));
    await expect(handle.rpc("module.reload", { name: "rec" })).rejects.toMatchObject({
      errnum: ERRNO.ENOSPC,
    });
    expect(await handle.publish("other")).toBe(1);
  });

  test("tells of a module that its policy has restarted, and of one reloaded before that", async () => {
    const { handle, loader, clock, logged } = await startBroker({ rec: recorder("gen", [], {}) });
    const { next } = await listen(handle);
    await handle.rpc("module.load", { path: "/mem/rec", onFailure: "restart" });
    loader.crash("rec", "crashed");
    await logged("rec restarts in 1 s");
    clock.advance(1000);
    await logged("rec runs again");
    const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
    const { uuid } = fields(modules[0], { uuid: "string" });
    expect(await next()).toEqual({ name: "rec", uuid, rank: 0 });
    loader.crash("rec", "crashed");
    await logged("rec restarts in 2 s");
    const again = fields(await handle.rpc("module.reload", { name: "rec" }), { uuid: "string" });
    expect(await next()).toMatchObject({ uuid: again.uuid });
  });
});

describe("module.restart", () => {
  test("starts the file that was found for the load, with the arguments and the environment that it had", async () => {
    const { handle, loader } = await startBroker({ rec: recorder("gen", [], {}) });
    await handle.rpc("broker.setenv", { env: { LINE: "first" } });
    await handle.rpc("module.load", { path: "/mem/rec", args: ["a"], explicit: true });
    await handle.rpc("broker.setenv", { env: { LINE: "second" } });
    const restarted = fields(await handle.rpc("module.restart", { name: "rec" }), { uuid: "string" });
    await handle.rpc("module.reload", { name: "/mem/rec" });
    expect(loader.started.map(({ args, env }) => [args, env?.["LINE"]])).toEqual([
      [["a"], "first"],
      [["a"], "first"],
      [["a"], "second"],
    ]);
    expect(loader.started[1]?.uuid).toBe(restarted.uuid);
  });

  test("holds requests meanwhile, and is announced as a reload is", async () => {
    const seen: string[] = [];
    const start = gate();
    const { handle, loader } = await startBroker({ rec: recorder("old", seen, {}) });
    await handle.rpc("module.load", { path: "/mem/rec" });
    const announced = new Promise((resolve) => void handle.subscribe("module.reloaded", resolve));
    loader.set("rec", recorder("new", seen, { start: start.opened }));
    const restart = handle.rpc("module.restart", { name: "rec" });
    const answer = handle.rpc("rec.put", 1);
    start.open();
    expect(await answer).toBe("new");
    const { uuid } = fields(await restart, { uuid: "string" });
    expect(await announced).toMatchObject({ payload: { name: "rec", uuid } });
  });

  test("of what is not loaded, and of a part of the broker, is refused", async () => {
    const { handle } = await startBroker();
    await expect(handle.rpc("module.restart", { name: "ghost" })).rejects.toMatchObject({
      errnum: ERRNO.ENOENT,
    });
    await expect(handle.rpc("module.restart", { name: "attr" })).rejects.toThrow(
      "attr is part of the broker",
    );
  });
});

describe("module.reload", () => {
  test("keeps the arguments when none are given, and the mark of an explicit load", async () => {
    const { handle, loader } = await startBroker({ rec: recorder("gen", [], {}) });
    await handle.rpc("module.load", { path: "/mem/rec", args: ["a"], explicit: true });
    await handle.rpc("module.reload", { name: "/mem/rec" });
    expect(loader.started.map((spec) => spec.args)).toEqual([["a"], ["a"]]);
    const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
    expect(modules).toEqual([
      expect.objectContaining({ name: "rec", services: ["recording"], explicit: true, state: "R" }),
    ]);
  });

  test("a service that the new instance does not register again is gone", async () => {
    const { handle, loader } = await startBroker({ rec: recorder("old", [], {}) });
    await handle.rpc("module.load", { path: "/mem/rec" });
    loader.set("rec", async (h) => h.run());
    const reload = handle.rpc("module.reload", { name: "rec" });
    const held = expect(handle.rpc("recording.put")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    await reload;
    await held;
  });

  test("of a module in the middle of one waits its turn, and of one that is not loaded fails with ENOENT", async () => {
    const { handle, loader } = await startBroker({ rec: recorder("gen", [], {}) });
    await handle.rpc("module.load", { path: "/mem/rec" });
    await Promise.all([
      handle.rpc("module.reload", { name: "rec", args: ["1"] }),
      handle.rpc("module.reload", { name: "rec", args: ["2"] }),
    ]);
    expect(loader.started.map((spec) => spec.args)).toEqual([[], ["1"], ["2"]]);
    await expect(handle.rpc("module.reload", { name: "ghost" })).rejects.toMatchObject({
      errnum: ERRNO.ENOENT,
    });
  });

  test("a removal with cancel in the middle of one ends the module for good", async () => {
    const end = gate();
    const { handle } = await startBroker({ rec: recorder("gen", [], { end: end.opened }) });
    await handle.rpc("module.load", { path: "/mem/rec" });
    const reload = handle.rpc("module.reload", { name: "rec" });
    const failed = expect(reload).rejects.toMatchObject({ errnum: ERRNO.ECANCELED });
    await handle.rpc("module.remove", { name: "rec", cancel: true });
    await failed;
    expect(fields(await handle.rpc("module.list"), { modules: "array" }).modules).toEqual([]);
  });
});

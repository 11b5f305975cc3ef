import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import { fields, type Event, type Handle, type Payload } from "../../src/messages/index.js";
import { startBroker } from "./support/start-broker.js";

async function collect(stream: AsyncIterable<Payload>): Promise<Payload[]> {
  const all: Payload[] = [];
  for await (const payload of stream) all.push(payload);
  return all;
}

describe("attr", () => {
  test("has what every broker has, read-only, and takes new names", async () => {
    const statedir = mkdtempSync(join(tmpdir(), "sluice-state-"));
    onTestFinished(() => rmSync(statedir, { recursive: true, force: true }));
    const { handle, broker } = await startBroker({}, { attributes: { "site.name": "north", statedir } });
    const { attrs } = fields(await handle.rpc("attr.list"), { attrs: "object" });
    expect(attrs).toMatchObject({
      rank: "0",
      size: "1",
      "broker.pid": String(process.pid),
      rundir: broker.rundir,
      statedir,
      "site.name": "north",
      "log-stderr-level": "4",
      "broker.module-nopanic": "0",
    });
    for (const name of ["version", "hostname", "instance-id", "broker.starttime"]) {
      expect(attrs[name]).toEqual(expect.stringMatching(/./));
      await expect(handle.rpc("attr.set", { name, value: "x" })).rejects.toMatchObject({
        errnum: ERRNO.EPERM,
      });
    }
    await handle.rpc("attr.set", { name: "new", value: "1" });
    expect(await handle.rpc("attr.get", { name: "new" })).toEqual({ value: "1" });
    expect(await handle.attr("rank")).toBe("0");
    await expect(handle.rpc("attr.get", { name: "none" })).rejects.toMatchObject({ errnum: ERRNO.ENOENT });
  });

  test.each([
    ["log-stderr-level", "loud"],
    ["log-stderr-level", "9"],
    ["broker.max-payload", "much"],
    ["broker.max-payload", "99999999999"],
  ])("refuses %s = %s with EINVAL", async (name, value) => {
    const { handle } = await startBroker();
    await expect(handle.rpc("attr.set", { name, value })).rejects.toMatchObject({ errnum: ERRNO.EINVAL });
  });

  test("the broker does not start with an attribute that it alone sets", async () => {
    await expect(startBroker({}, { attributes: { rank: "3" } })).rejects.toMatchObject({
      errnum: ERRNO.EPERM,
    });
  });
});

describe("event", () => {
  test("reaches each subscriber once whatever overlaps, in one gapless order", async () => {
    const { handle, broker } = await startBroker();
    const other = await broker.connect();
    const got: Event[] = [];
    const done = new Promise<void>((resolve) => {
      void handle.subscribe("end", () => resolve());
    });
    for (const topic of ["a.b", "a.*", "*"]) await other.subscribe(topic, () => undefined);
    await handle.subscribe("a.*", (event) => got.push(event));
    const seqs = [
      await other.publish("a.b", { n: 1 }),
      await other.publish("a.b.c"),
      await other.publish("ab"),
      fields(await handle.rpc("event.publish", { topic: "a.d", payload: [1] }), { seq: "integer" }).seq,
      await other.publish("end"),
    ];
    await done;
    expect(seqs).toEqual([1, 2, 3, 4, 5]);
    expect(got).toEqual([
      { topic: "a.b", payload: { n: 1 }, seq: 1 },
      { topic: "a.b.c", payload: undefined, seq: 2 },
      { topic: "a.d", payload: [1], seq: 4 },
    ]);
  });

  test("bytes reach each subscriber as its own", async () => {
    const { handle, broker } = await startBroker();
    const other = await broker.connect();
    const got: Payload[] = [];
    const both = new Promise<void>((resolve) => {
      const take = ({ payload }: Event): void => {
        if (payload instanceof Uint8Array) payload.fill(got.push([...payload]));
        if (got.length === 2) resolve();
      };
      void handle
        .subscribe("raw", take)
        .then(() => other.subscribe("raw", take))
        .then(() => handle.publish("raw", new Uint8Array([7])));
    });
    await both;
    expect(got).toEqual([[7], [7]]);
  });

  test("stops with unsubscribe, and a topic that is none is EINVAL", async () => {
    const { handle } = await startBroker();
    const got: string[] = [];
    await handle.subscribe("a", ({ topic }) => got.push(topic));
    await handle.unsubscribe("a");
    await handle.publish("a");
    await handle.rpc("attr.list");
    expect(got).toEqual([]);
    for (const topic of ["", "a..b", "a b", "a."]) {
      await expect(handle.rpc("event.publish", { topic })).rejects.toMatchObject({ errnum: ERRNO.EINVAL });
    }
    await expect(handle.rpc("event.unsubscribe", { topic: "a" })).rejects.toMatchObject({
      errnum: ERRNO.ENOENT,
    });
  });

  test("of a streaming request ends its stream with unsubscribe, and when a new stream replaces it", async () => {
    const { handle, broker } = await startBroker();
    const pending = broker.pendingRequests;
    const cancelled = { errnum: ERRNO.ECANCELED };
    const [first, second] = [1, 2].map(() => handle.rpcStream("event.subscribe", { topic: "a" }));
    expect(await first?.next()).toEqual({ done: false, value: undefined });
    expect(await second?.next()).toEqual({ done: false, value: undefined });
    await expect(first?.next()).rejects.toMatchObject(cancelled);
    // Nothing is owed to it any more.
    expect(broker.pendingRequests).toBe(pending);
    const end = expect(second?.next()).rejects.toMatchObject(cancelled);
    await handle.rpc("event.unsubscribe", { topic: "a" });
    await end;
  });

  test("of a streaming request ends when its sender cancels the stream", async () => {
    const { handle } = await startBroker();
    for await (const confirmed of handle.rpcStream("event.subscribe", { topic: "a" })) {
      expect(confirmed).toBeUndefined();
      break;
    }
    await expect(handle.rpc("event.unsubscribe", { topic: "a" })).rejects.toMatchObject({
      errnum: ERRNO.ENOENT,
    });
  });
});

describe("service", () => {
  test("names have one owner at a time, and go with it", async () => {
    const { handle, broker } = await startBroker();
    const other = await broker.connect();
    other.handle("who", () => "other");
    await other.registerService("extra");
    expect(await handle.rpc("extra.who")).toBe("other");
    await expect(handle.registerService("extra")).rejects.toMatchObject({ errnum: ERRNO.EEXIST });
    await expect(handle.registerService("config")).rejects.toMatchObject({ errnum: ERRNO.EEXIST });
    await expect(handle.registerService("a.b")).rejects.toMatchObject({ errnum: ERRNO.EINVAL });
    await expect(handle.unregisterService("extra")).rejects.toMatchObject({ errnum: ERRNO.ENOENT });
    await other.unregisterService("extra");
    await expect(handle.rpc("extra.who")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    await other.registerService("extra");
    await other.close();
    await expect(handle.rpc("extra.who")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    await handle.registerService("extra");
  });
});

describe("log", () => {
  test("keeps the last 1024 lines, with time, level and who wrote them", async () => {
    const { handle, clock } = await startBroker();
    for (let n = 0; n < 1030; n++) handle.log("info", `line ${n}`);
    const lines = await collect(handle.rpcStream("log.dmesg"));
    expect(lines).toHaveLength(1024);
    expect(lines[0]).toEqual({ time: clock.now() / 1000, level: "info", name: handle.name, text: "line 6" });
    expect(lines.at(-1)).toMatchObject({ text: "line 1029" });
    await handle.rpc("log.clear");
    expect(await collect(handle.rpcStream("log.dmesg", {}))).toEqual([]);
  });

  test("follows until it is cancelled, or its reader goes away", async () => {
    const { handle, broker } = await startBroker();
    await handle.rpc("log.append", { level: "info", text: "before" });
    const texts: string[] = [];
    for await (const entry of handle.rpcStream("log.dmesg", { follow: true })) {
      texts.push(fields(entry, { text: "string" }).text);
      if (texts.length === 1) handle.log("err", "after");
      else break;
    }
    expect(texts).toEqual(["before", "after"]);
    const other = await broker.connect();
    const stream = other.rpcStream("log.dmesg", { follow: true });
    await stream.next();
    await stream.next();
    const left = stream.next().catch((error: unknown) => error);
    await other.close();
    expect(await left).toMatchObject({ errnum: ERRNO.ECANCELED });
    await handle.rpc("log.append", { level: "info", text: "to nobody" });
    expect(broker.pendingRequests).toBe(0);
  });

  test("lets through to standard error what is at least as grave as log-stderr-level", async () => {
    const shown: string[] = [];
    const { handle } = await startBroker({}, { onStderr: ({ text }) => shown.push(text) });
    const say = async (level: string): Promise<Payload> => handle.rpc("log.append", { level, text: level });
    for (const level of ["crit", "warning", "notice"]) await say(level);
    await handle.rpc("attr.set", { name: "log-stderr-level", value: "6" });
    for (const level of ["info", "debug"]) await say(level);
    expect(shown).toEqual(["crit", "warning", "info"]);
    await expect(say("shout")).rejects.toMatchObject({ errnum: ERRNO.EINVAL });
  });

  test("dmesg without a stream is EPROTO", async () => {
    const { handle } = await startBroker();
    await expect(handle.rpc("log.dmesg")).rejects.toMatchObject({ errnum: ERRNO.EPROTO });
  });
});

describe("broker", () => {
  test("has an environment of its own, set as a whole or not at all", async () => {
    const { handle, broker } = await startBroker({}, { env: { HOME: "/root", SECRET: "x" } });
    await handle.rpc("broker.setenv", { env: { A: "1", HOME: null } });
    expect(await handle.rpc("broker.getenv", { name: "A" })).toEqual({ value: "1" });
    expect(await handle.rpc("broker.getenv", { name: "HOME" })).toEqual({ value: null });
    for (const env of [
      { B: "2", C: 3 },
      { B: "2", "": "x" },
      { B: "2", "X=Y": "x" },
    ]) {
      await expect(handle.rpc("broker.setenv", { env })).rejects.toMatchObject({ errnum: ERRNO.EINVAL });
    }
    expect(await handle.rpc("broker.getenv")).toEqual({ env: { SECRET: "x", A: "1" } });
    await handle.rpc("attr.set", { name: "broker.env-blocklist", value: "SECRET, OTHER" });
    expect(broker.programEnvironment()).toEqual({ A: "1", SLUICE_STARTED_BY: expect.any(String) as string });
    expect(process.env["A"]).toBeUndefined();
  });

  test("shutdown answers, and tells the embedder", async () => {
    const { handle, broker } = await startBroker();
    const reasons: unknown[] = [];
    broker.onShutdown((reason) => reasons.push(reason));
    expect(await handle.rpc("broker.shutdown")).toBeUndefined();
    expect(reasons).toEqual([{ kind: "request" }]);
    expect((await broker.close()).status).toBe(0);
  });

  test("every service answers ping, and fails an unknown method with ENOSYS", async () => {
    const { handle } = await startBroker();
    for (const service of ["broker", "module", "service", "event", "attr", "config", "log"]) {
      expect(await handle.rpc(`${service}.ping`, { pad: "x" })).toEqual({ pad: "x" });
      await expect(handle.rpc(`${service}.nonsense`)).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    }
  });

  test("a payload of the wrong shape is EPROTO, whichever method", async () => {
    const { handle } = await startBroker();
    for (const topic of ["module.load", "attr.get", "event.subscribe", "service.add", "config.load"]) {
      for (const payload of [undefined, "text", [1], { name: 1, topic: 1, path: 1, config: 1 }]) {
        await expect(handle.rpc(topic, payload)).rejects.toMatchObject({ errnum: ERRNO.EPROTO });
      }
    }
  });
});

describe("guests", () => {
  test("reach only what is open to them, of the broker and of modules", async () => {
    const shop = async (h: Handle): Promise<void> => {
      h.handle("open", (request) => [request.rolemask, request.userid], { allowGuest: true });
      h.handle("staff", () => "secret");
      await h.run();
    };
    const { handle, broker } = await startBroker({ shop }, { config: { secret: "x" } });
    await handle.rpc("module.load", { path: "/mem/shop" });
    const guest = await broker.connect({ guest: true });
    expect(await guest.rpc("shop.open")).toEqual([2, 0xffff_ffff]);
    expect(await guest.attr("size")).toBe("1");
    expect(guest.conf("secret")).toBeUndefined();
    for (const [topic, payload] of [
      ["shop.staff", {}],
      ["module.load", { path: "/mem/shop" }],
      ["module.remove", { name: "shop" }],
      ["attr.set", { name: "a", value: "b" }],
      ["config.get", {}],
      ["broker.shutdown", {}],
      ["broker.getenv", {}],
      ["event.publish.x", {}],
      ["service.add", { name: "x" }],
      ["module.status", { status: 1 }],
    ] as const) {
      await expect(guest.rpc(topic, payload)).rejects.toMatchObject({ errnum: ERRNO.EPERM });
    }
  });

  test("module.status is for modules alone", async () => {
    const { handle } = await startBroker();
    await expect(handle.rpc("module.status", { status: 1 })).rejects.toMatchObject({ errnum: ERRNO.EPERM });
  });
});

test("a client that goes away has disconnect sent to the modules that it used", async () => {
  let sender = "";
  let tell: (sender: string) => void = () => undefined;
  const told = new Promise<string>((resolve) => (tell = resolve));
  const keeper = async (h: Handle): Promise<void> => {
    h.handle("hello", (request) => {
      sender = request.sender;
      return null;
    });
    h.handle("disconnect", (request) => {
      tell(request.sender);
      return undefined;
    });
    await h.run();
  };
  const { handle, broker } = await startBroker({ keeper });
  await handle.rpc("module.load", { path: "/mem/keeper" });
  const guest = await broker.connect();
  await guest.rpc("keeper.hello");
  await guest.close();
  expect(await told).toBe(sender);
});

import { describe, expect, test } from "vitest";
import { ERRNO, requestError } from "../../src/errors/index.js";
import {
  BrokerModule,
  channelPair,
  findEntry,
  FLAG,
  type Handle,
  type ModuleMain,
  type ModuleOutcome,
  MODULE_STATUS,
  type Welcome,
  runModuleMain,
} from "../../src/messages/index.js";
import { FakeBroker, reply, request, settled, welcome } from "./fake-broker.js";

/** Runs a module against a broker of the test's. */
function start(
  main: ModuleMain,
  fields: Partial<Welcome> = {},
): { broker: FakeBroker; outcome: Promise<ModuleOutcome> } {
  const [far, near] = channelPair();
  const broker = new FakeBroker(far);
  const outcome = runModuleMain(near, () => Promise.resolve(main));
  broker.send(welcome({ name: "mod", ...fields }));
  return { broker, outcome };
}

const serve: ModuleMain = (h) => h.run();

const running = { status: MODULE_STATUS.running };
const finalizing = { status: MODULE_STATUS.finalizing };

async function whenRunning(broker: FakeBroker): Promise<void> {
  await broker.nextRequest("module.status");
}

describe("the life of a module", () => {
  test("is running, finalizing, exited, and then its channel closes", async () => {
    const { broker, outcome } = start(serve);
    await whenRunning(broker);
    expect(broker.statuses()).toEqual([running]);
    expect((await broker.call("mod.shutdown")).errnum).toBe(0);
    expect(await outcome).toEqual({ kind: "ok" });
    await settled();
    expect(broker.statuses()).toEqual([running, finalizing, { status: MODULE_STATUS.exited, errnum: 0 }]);
    expect(broker.closed).toBe(true);
  });

  test("gives the entry function the handle and the arguments", async () => {
    const got: unknown[] = [];
    const { outcome } = start(
      (h, ...args) => {
        got.push(h.name, ...args);
        throw requestError("EBUSY");
      },
      { args: ["x", "y=1"] },
    );
    await outcome;
    expect(got).toEqual(["mod", "x", "y=1"]);
  });

  test.each<[string, ModuleMain, object]>([
    [
      "a throw with a number",
      () => Promise.reject(requestError("ENOENT", "no disk")),
      { errnum: ERRNO.ENOENT, error: "no disk" },
    ],
    [
      "any other throw",
      () => {
        throw new TypeError("oops");
      },
      { errnum: ERRNO.ECONNRESET, error: "oops" },
    ],
    ["a return", () => undefined, { errnum: ERRNO.ECONNRESET }],
    [
      "a throw after an await",
      async () => {
        await settled();
        throw requestError("EIO", "late");
      },
      { errnum: ERRNO.EIO, error: "late" },
    ],
  ])("ends as a failed load with %s before it runs", async (_what, main, report) => {
    const { broker, outcome } = start(main);
    expect(await outcome).toMatchObject({ kind: "error" });
    await settled();
    expect(broker.statuses()).toHaveLength(1);
    expect(broker.statuses()[0]).toMatchObject({ status: MODULE_STATUS.exited, ...report });
  });

  test("tells the stack of a fault, and of no other error", async () => {
    const fault = await start(() => Promise.reject(new TypeError("oops"))).outcome;
    const answer = await start(() => Promise.reject(requestError("EIO", "oops"))).outcome;
    expect(fault).toMatchObject({ stack: expect.stringContaining("module-runtime.test") as string });
    expect(answer).toEqual({ kind: "error", message: "oops", errnum: ERRNO.EIO, stack: undefined });
  });

  test("ends with the module's error when it throws after it ran", async () => {
    const { broker, outcome } = start(async (h) => {
      await h.run();
      throw requestError("EIO", "cannot save");
    });
    await whenRunning(broker);
    await broker.call("mod.shutdown");
    expect(await outcome).toMatchObject({ kind: "error", errnum: ERRNO.EIO });
    await settled();
    expect(broker.statuses().slice(1)).toEqual([
      finalizing,
      { status: MODULE_STATUS.exited, errnum: ERRNO.EIO, error: "cannot save" },
    ]);
  });

  test("ends with the error given to stop, whether or not the program waits in run", async () => {
    const inRun = start(async (h) => {
      setImmediate(() => h.stop(requestError("EIO", "given up")));
      await h.run();
    });
    expect(await inRun.outcome).toMatchObject({ kind: "error", errnum: ERRNO.EIO, message: "given up" });
    const elsewhere = start(async (h) => {
      h.setRunning();
      setImmediate(() => h.stop(requestError("EIO", "given up")));
      await new Promise(() => undefined);
    });
    expect(await elsewhere.outcome).toMatchObject({ kind: "error", errnum: ERRNO.EIO });
  });

  test("ends when a handler or a listener throws what is no answer; the requester hears it too", async () => {
    const byHandler = start((h) => {
      h.handle("boom", () => {
        throw new TypeError("bug");
      });
      return h.run();
    });
    await whenRunning(byHandler.broker);
    expect(await byHandler.broker.call("mod.boom")).toMatchObject({ errnum: ERRNO.ECONNRESET, error: "bug" });
    expect(await byHandler.outcome).toMatchObject({ kind: "error", message: "bug" });

    const byListener = start(async (h) => {
      await h.subscribe("e", () => {
        throw new TypeError("bug");
      });
      await h.run();
    });
    await whenRunning(byListener.broker);
    byListener.broker.send({ type: "event", topic: "e", seq: 1 });
    expect(await byListener.outcome).toMatchObject({ kind: "error", message: "bug" });
  });

  test("goes on after a handler's error that is an answer, and after an event that is not JSON", async () => {
    const { broker } = start(async (h) => {
      h.handle("no", () => {
        throw requestError("ENOENT");
      });
      await h.subscribe("e", () => undefined);
      await h.run();
    });
    await whenRunning(broker);
    expect((await broker.call("mod.no")).errnum).toBe(ERRNO.ENOENT);
    broker.send({ type: "event", topic: "e", seq: 1, payload: "{" });
    await broker.nextRequest("log.append");
    expect((await broker.call("mod.ping")).errnum).toBe(0);
  });

  test("ends when the broker goes away", async () => {
    const { broker, outcome } = start(serve);
    await whenRunning(broker);
    broker.channel.close();
    expect(await outcome).toEqual({ kind: "ok" });
  });

  test("answers requests only once it runs, in order", async () => {
    let register = (): void => undefined;
    const { broker } = start(async (h) => {
      await new Promise<void>((resolve) => {
        register = resolve;
      });
      h.setRunning();
      h.handle("a", () => "a");
      h.handle("b", () => "b");
      await h.run();
    });
    await settled();
    const answers = Promise.all([broker.call("mod.a"), broker.call("mod.b")]);
    await settled();
    expect(broker.received.filter((m) => m.type === "response")).toEqual([]);
    register();
    expect((await answers).map((m) => m.payload)).toEqual(['"a"', '"b"']);
  });

  test("answers with ENOSYS what comes after shutdown, and waits for the broker before it has exited", async () => {
    const { broker, outcome } = start(serve);
    await whenRunning(broker);
    broker.answer("module.status", () => {
      // On its way before the answer, as it was queued when the module began to finalize.
      broker.send(request("mod.ping", { matchtag: 8 }));
      return undefined;
    });
    broker.send(request("mod.shutdown", { matchtag: 0, flags: FLAG.noresponse }));
    broker.send(request("mod.ping", { matchtag: 7 }));
    await outcome;
    await settled();
    const answers = broker.received.filter((m) => m.type === "response");
    expect(answers).toMatchObject([7, 8].map((matchtag) => ({ matchtag, errnum: ERRNO.ENOSYS })));
    expect(broker.received.indexOf(answers[1] ?? request("none"))).toBeLessThan(broker.received.length - 1);
  });
});

describe("every module", () => {
  async function module(main: ModuleMain = serve): Promise<FakeBroker> {
    const { broker } = start(main);
    await whenRunning(broker);
    return broker;
  }

  test("answers ping with what it got, nothing included", async () => {
    const broker = await module();
    expect((await broker.call("mod.ping", { seq: 1 })).payload).toBe('{"seq":1}');
    expect(await broker.call("mod.ping")).toMatchObject({ errnum: 0, payload: undefined });
    const bytes = await broker.call("mod.ping", undefined, { payload: new Uint8Array([1]), rolemask: 2 });
    expect(bytes.payload).toEqual(new Uint8Array([1]));
  });

  test("counts its messages, until told to forget them by request or event", async () => {
    const broker = await module();
    await broker.call("mod.ping");
    const stats = async (): Promise<unknown> =>
      JSON.parse(String((await broker.call("mod.stats-get")).payload));
    // A status and the subscription have been sent; ping, stats-get, the answer to the subscription and welcome came.
    expect(await stats()).toEqual({
      tx: { request: 2, response: 1, event: 0, control: 0 },
      rx: { request: 2, response: 1, event: 0, control: 0 },
    });
    await broker.call("mod.stats-clear");
    expect(await stats()).toMatchObject({ tx: { response: 1 }, rx: { request: 1 } });
    broker.send({ type: "event", topic: "mod.stats-clear", seq: 1 });
    expect(await stats()).toMatchObject({ tx: { response: 0 }, rx: { request: 1, event: 0 } });
  });

  test("may have statistics of its own", async () => {
    const broker = await module((h) => {
      h.handle("stats-get", () => ({ own: true }));
      return h.run();
    });
    expect((await broker.call("mod.stats-get")).payload).toBe('{"own":true}');
  });

  test("tells its resource usage, of the process, of its thread, or of children", async () => {
    const broker = await module();
    for (const payload of [undefined, { who: "thread" }, { who: "children" }]) {
      const usage = JSON.parse(String((await broker.call("mod.rusage", payload)).payload)) as unknown;
      expect(usage).toMatchObject({
        utime: expect.any(Number) as number,
        stime: expect.any(Number) as number,
      });
    }
    expect((await broker.call("mod.rusage", { who: "cat" })).errnum).toBe(ERRNO.EPROTO);
  });

  test("keeps debug bits, which its program may test and clear", async () => {
    const handles: Handle[] = [];
    const broker = await module((h) => {
      handles.push(h);
      return h.run();
    });
    const change = async (op: string, flags: number): Promise<unknown> =>
      JSON.parse(String((await broker.call("mod.debug", { op, flags })).payload));
    expect(await change("set", 6)).toEqual({ flags: 6 });
    expect(await change("setbit", 0x8000_0000)).toEqual({ flags: 0x8000_0006 });
    expect(await change("clrbit", 4)).toEqual({ flags: 0x8000_0002 });
    const [handle] = handles;
    expect([handle?.debugTest(2, true), handle?.debugTest(2), handle?.debugTest(4)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(await change("clr", 0)).toEqual({ flags: 0 });
    expect((await broker.call("mod.debug", { op: "x" })).errnum).toBe(ERRNO.EPROTO);
  });

  test("has the new configuration after a reload, and the old one if it refuses the new", async () => {
    const seen: unknown[] = [];
    const handles: Handle[] = [];
    const broker = await module((h) => {
      handles.push(h);
      h.handle("config-reload", (r) => {
        seen.push(h.conf("a"));
        if (h.conf("a") === "bad") throw requestError("EINVAL", "a is bad");
        h.respond(r);
      });
      return h.run();
    });
    expect((await broker.call("mod.config-reload", { a: "good" })).errnum).toBe(0);
    expect((await broker.call("mod.config-reload", { a: "bad" })).errnum).toBe(ERRNO.EINVAL);
    expect(seen).toEqual(["good", "bad"]);
    expect(handles[0]?.conf()).toEqual({ a: "good" });

    const plain = await module();
    expect((await plain.call("mod.config-reload", { b: 1 })).errnum).toBe(0);
    expect((await plain.call("mod.config-reload", [1])).errnum).toBe(ERRNO.EPROTO);
  });

  test("lets guests ping but not shut it down", async () => {
    const broker = await module();
    expect((await broker.call("mod.ping", 1, { rolemask: 2 })).errnum).toBe(0);
    expect((await broker.call("mod.shutdown", 1, { rolemask: 2 })).errnum).toBe(ERRNO.EPERM);
  });
});

describe("the entry point of a file", () => {
  const main: ModuleMain = () => "main";
  class Shape {
    run(): string {
      return "class";
    }
  }

  test.each<[string, object]>([
    ["modMain", { modMain: main }],
    ["mod_main", { mod_main: main }],
    ["modMain of CommonJS", { default: { modMain: main } }],
    ["a default class", { default: Shape }],
    ["a default class of transpiled CommonJS", { default: { default: Shape } }],
  ])("is %s", (_what, exports) => {
    const entry = findEntry(exports, "x.js");
    expect(["main", "class"]).toContain(entry({} as Handle));
  });

  test.each<[string, unknown]>([
    ["nothing", {}],
    ["a value", { modMain: 1 }],
    ["a class without run", { default: Error }],
    ["a default function", { default: main }],
    ["a null default", { default: null }],
  ])("is missing in a file that exports %s", (_what, exports) => {
    expect(() => findEntry(exports, "x.js")).toThrow(expect.objectContaining({ code: "LOAD_NO_ENTRY" }));
  });

  test("as a subclass of BrokerModule is set up before it runs", async () => {
    class Greeter extends BrokerModule {
      protected override async setup(): Promise<void> {
        await settled();
        this.handle.handle("greet", () => `${this.name} ${this.args.join()}`);
        this.log.info("ready");
      }
    }
    const { broker, outcome } = start(findEntry({ default: Greeter }, "x.js"), { args: ["p", "q"] });
    await whenRunning(broker);
    expect((await broker.call("mod.greet")).payload).toBe('"mod p,q"');
    expect((await broker.nextRequest("log.append")).payload).toBe('{"level":"info","text":"ready"}');
    broker.send(reply(request("mod.none")));
    await broker.call("mod.shutdown");
    expect(await outcome).toEqual({ kind: "ok" });
  });
});

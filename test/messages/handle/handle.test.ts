import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { ERRNO, requestError, type SluiceError } from "../../../src/errors/index.js";
import {
  channelPair,
  connectHandle,
  type Event,
  FLAG,
  type Handle,
  type Message,
  type Payload,
  type RequestMessage,
  ROLE,
  runModuleMain,
} from "../../../src/messages/index.js";
import { connected, failureOf, FakeBroker, reply, request, settled, welcome } from "../fake-broker.js";

const failedWith = (errno: keyof typeof ERRNO): object => ({ code: "BROKER_REQUEST", errnum: ERRNO[errno] });

function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
}

/** Waits until there are no more timers than before: those of the test runner come and go, one of a handle would stay. */
async function timersAreBackTo(before: number): Promise<void> {
  while (timers() > before) await new Promise((resolve) => setImmediate(resolve));
}

describe("a connection", () => {
  test("is there when the broker's welcome has come, and knows what it says", async () => {
    const { handle } = await connected({ name: "me", rank: 3, size: 4 });
    expect([handle.name, handle.uuid, handle.rank, handle.size]).toEqual(["me", "uuid-1", 3, 4]);
    expect(handle.args).toEqual(["a", "b"]);
    expect(handle.conf("table.key")).toEqual([1, 2]);
    expect(handle.conf("table.key.0")).toBeUndefined();
    expect(handle.conf("table.toString")).toBeUndefined();
  });

  test("fails when the broker hangs up first, or says something else", async () => {
    const [silent, near] = channelPair();
    const waiting = failureOf(connectHandle(near));
    silent.close();
    expect(await waiting).toMatchObject({ code: "BROKER_UNREACHABLE" });

    const [rude, other] = channelPair();
    const refused = failureOf(connectHandle(other));
    rude.send({ type: "event", topic: "hello", seq: 1 });
    expect(await refused).toMatchObject({ code: "BROKER_PROTOCOL" });

    const [vague, third] = channelPair();
    const incomplete = failureOf(connectHandle(third));
    vague.send(welcome({ rank: 0.5 }));
    expect(await incomplete).toMatchObject({ code: "BROKER_PROTOCOL" });
  });

  test("fails what is pending when it closes, and all that comes later: ECONNRESET", async () => {
    const { broker, handle } = await connected();
    const pending = Array.from({ length: 100 }, (_, i) => failureOf(handle.rpc(`svc.m${i}`)));
    const stream = handle.rpcStream("svc.watch");
    const next = failureOf(stream.next());
    await broker.nextRequest("svc.m99");
    broker.channel.close();
    expect(new Set((await Promise.all(pending)).map(({ errnum }) => errnum))).toEqual(
      new Set([ERRNO.ECONNRESET]),
    );
    expect(await next).toMatchObject(failedWith("ECONNRESET"));
    expect(await handle.closed).toBeUndefined();
    expect(await failureOf(handle.rpc("svc.later"))).toMatchObject(failedWith("ECONNRESET"));
    handle.log("info", "nobody hears");
  });

  test("fails what is pending with ECANCELED when its own side closes it", async () => {
    const { broker, handle } = await connected();
    const pending = failureOf(handle.rpc("svc.slow"));
    await broker.nextRequest("svc.slow");
    await handle.close();
    expect(await pending).toMatchObject(failedWith("ECANCELED"));
    await settled();
    expect(broker.closed).toBe(true);
  });
});

describe("a request", () => {
  test("resolves to the payload of its response, each to its own", async () => {
    const { broker, handle } = await connected();
    broker.answer("svc.echo", (r) => JSON.parse(String(r.payload)) as Payload);
    const answers = await Promise.all(
      [1, "two", null, [3], { four: 4 }].map((p) => handle.rpc("svc.echo", p)),
    );
    expect(answers).toEqual([1, "two", null, [3], { four: 4 }]);
    expect(await handle.rpc("event.subscribe", {})).toBeUndefined();
  });

  test("leaves its bytes to the caller at once", async () => {
    const { broker, handle } = await connected();
    const bytes = new Uint8Array([1, 2, 3]);
    const answered = handle.rpc("content.store", bytes);
    bytes.fill(9);
    const sent = await broker.nextRequest("content.store");
    expect(sent.payload).toEqual(new Uint8Array([1, 2, 3]));
    broker.send(reply(sent, { payload: new Uint8Array([4]) }));
    expect(await answered).toEqual(new Uint8Array([4]));
  });

  test("rejects with the number and the text of an error response", async () => {
    const { broker, handle } = await connected();
    const named = handle.rpc("svc.a");
    broker.send(reply(await broker.nextRequest("svc.a"), { errnum: ERRNO.EEXIST, error: "svc: taken" }));
    await expect(named).rejects.toMatchObject({ ...failedWith("EEXIST"), message: "svc: taken" });
    const bare = handle.rpc("svc.b");
    broker.send(reply(await broker.nextRequest("svc.b"), { errnum: ERRNO.ENOENT }));
    await expect(bare).rejects.toMatchObject({ message: "No such file or directory" });
  });

  test("that cannot be sent is EINVAL and sends nothing", async () => {
    const { broker, handle } = await connected();
    const ring: { self?: unknown } = {};
    ring.self = ring;
    expect(await failureOf(handle.rpc("no..topic"))).toMatchObject(failedWith("EINVAL"));
    expect(await failureOf(handle.rpc("svc.x", ring as Payload))).toMatchObject(failedWith("EINVAL"));
    expect(() => handle.notify("")).toThrow(expect.objectContaining(failedWith("EINVAL")));
    await settled();
    expect(broker.received).toEqual([]);
  });

  test("whose response is not JSON is EPROTO", async () => {
    const { broker, handle } = await connected();
    const answered = failureOf(handle.rpc("svc.a"));
    broker.send(reply(await broker.nextRequest("svc.a"), { payload: "{" }));
    expect(await answered).toMatchObject(failedWith("EPROTO"));
  });

  test("times out and aborts, and leaves no timer and no listener behind", async () => {
    const { broker, handle } = await connected();
    const before = timers();
    const controller = new AbortController();
    const { signal } = controller;
    expect(await failureOf(handle.rpc("svc.slow", undefined, { timeoutMs: 1, signal }))).toMatchObject(
      failedWith("ETIMEDOUT"),
    );
    broker.answer("svc.quick", () => 1);
    await handle.rpc("svc.quick", undefined, { timeoutMs: 60_000, signal });
    const aborted = failureOf(handle.rpc("svc.slow", undefined, { timeoutMs: 60_000, signal }));
    controller.abort();
    expect(await aborted).toMatchObject(failedWith("ECANCELED"));
    expect(await failureOf(handle.rpc("svc.never", undefined, { signal }))).toMatchObject(
      failedWith("ECANCELED"),
    );
    await settled();
    expect(broker.received).not.toContainEqual(expect.objectContaining({ topic: "svc.never" }));
    await timersAreBackTo(before);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("does not mind a time-out longer than a timer can be", async () => {
    const { broker, handle } = await connected();
    const answered = handle.rpc("svc.a", undefined, { timeoutMs: 2 ** 40 });
    await settled();
    broker.send(reply(await broker.nextRequest("svc.a"), { payload: "1" }));
    expect(await answered).toBe(1);
  });

  test("without a response is marked so", async () => {
    const { broker, handle } = await connected();
    handle.notify("svc.hint", { a: 1 }, { rank: "upstream" });
    expect(await broker.nextRequest("svc.hint")).toMatchObject({
      matchtag: 0,
      flags: FLAG.noresponse,
      nodeid: "upstream",
    });
  });
});

describe("a stream of responses", () => {
  test("gives them in order and ends at ENODATA", async () => {
    const { broker, handle } = await connected();
    const stream = handle.rpcStream("svc.watch");
    const sent = await broker.nextRequest("svc.watch");
    expect(sent.flags).toBe(FLAG.streaming);
    for (let i = 0; i < 50; i++) broker.send(reply(sent, { payload: String(i) }));
    broker.send(reply(sent, { errnum: ERRNO.ENODATA }));
    const seen: Payload[] = [];
    for await (const value of stream) seen.push(value);
    expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => i));
    await settled();
    expect(broker.received).toHaveLength(1);
  });

  test("rejects once with an error, after what came before it", async () => {
    const { broker, handle } = await connected();
    const stream = handle.rpcStream("svc.watch");
    const sent = await broker.nextRequest("svc.watch");
    broker.send(reply(sent, { payload: "1" }));
    broker.send(reply(sent, { errnum: ERRNO.ENOENT }));
    await settled();
    expect(await stream.next()).toEqual({ done: false, value: 1 });
    expect(await failureOf(stream.next())).toMatchObject(failedWith("ENOENT"));
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  test("tells the service when the loop is left early", async () => {
    const { broker, handle } = await connected();
    const stream = handle.rpcStream("svc.watch", undefined, { rank: 2 });
    const sent = await broker.nextRequest("svc.watch");
    broker.send(reply(sent, { payload: "1" }));
    for await (const value of stream) if (value === 1) break;
    expect(await broker.nextRequest("svc.cancel")).toMatchObject({
      flags: FLAG.noresponse,
      nodeid: 2,
      payload: JSON.stringify({ matchtag: sent.matchtag }),
    });
    broker.send(reply(sent, { payload: "2" }));
    await settled();
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  test("times out when nothing comes for so long, and tells the service", async () => {
    const { broker, handle } = await connected();
    const before = timers();
    const stream = handle.rpcStream("svc.watch", undefined, { timeoutMs: 1 });
    expect(await failureOf(stream.next())).toMatchObject(failedWith("ETIMEDOUT"));
    await broker.nextRequest("svc.cancel");
    await timersAreBackTo(before);
  });

  test("that cannot be asked for rejects at the first response", async () => {
    const { handle } = await connected();
    expect(await failureOf(handle.rpcStream("no..topic").next())).toMatchObject(failedWith("EINVAL"));
  });
});

describe("a handler", () => {
  test("answers with what it returns or resolves to, or with respond", async () => {
    const { broker, handle } = await connected();
    handle.handle("now", () => 1);
    handle.handle("later", () => Promise.resolve({ a: 2 }));
    handle.handle("self", async (r) => {
      await settled();
      handle.respond(r, r.payload);
    });
    expect((await broker.call("svc.now")).payload).toBe("1");
    expect((await broker.call("svc.later")).payload).toBe('{"a":2}');
    expect((await broker.call("svc.self", "x", { route: ["far", "near"] })).route).toEqual(["far", "near"]);
  });

  test("is found by the method alone, and an unknown method is ENOSYS and named", async () => {
    const { broker, handle } = await connected();
    handle.handle("a.b", () => true);
    expect((await broker.call("other-service.a.b")).errnum).toBe(0);
    const { errnum, error } = await broker.call("svc.missing");
    expect(errnum).toBe(ERRNO.ENOSYS);
    expect(error).toContain("svc.missing");
  });

  test("answers with the error that it throws", async () => {
    const { broker, handle } = await connected();
    handle.handle("busy", () => {
      throw requestError("EBUSY", "try later");
    });
    handle.handle("file", async () => {
      await settled();
      throw Object.assign(new Error("no file"), { code: "ENOENT" });
    });
    expect(await broker.call("svc.busy")).toMatchObject({ errnum: ERRNO.EBUSY, error: "try later" });
    expect(await broker.call("svc.file")).toMatchObject({ errnum: ERRNO.ENOENT, error: "no file" });
  });

  test("gets requests of guests only if it says so", async () => {
    const { broker, handle } = await connected();
    const options = { rolemask: ROLE.guest };
    handle.handle("private", () => 1);
    handle.handle("public", (r) => r.rolemask, { allowGuest: true });
    expect((await broker.call("svc.private", null, options)).errnum).toBe(ERRNO.EPERM);
    expect((await broker.call("svc.public", null, options)).payload).toBe("2");
    expect((await broker.call("svc.private", null, { rolemask: ROLE.owner })).errnum).toBe(0);
  });

  test("may answer once", async () => {
    const { broker, handle } = await connected();
    const outcomes: unknown[] = [];
    handle.handle("twice", (r) => {
      handle.respond(r, 1);
      expect(r.answered).toBe(true);
      try {
        handle.respondError(r, ERRNO.EIO);
      } catch (error) {
        outcomes.push((error as { errnum: number }).errnum);
      }
    });
    expect((await broker.call("svc.twice")).payload).toBe("1");
    expect(outcomes).toEqual([ERRNO.EINVAL]);
  });

  test("sees a payload that is not JSON as EPROTO", async () => {
    const { broker, handle } = await connected();
    handle.handle("look", (r) => r.payload);
    expect((await broker.call("svc.look", undefined, { payload: "{" })).errnum).toBe(ERRNO.EPROTO);
  });

  test("whose error nobody can hear has it logged", async () => {
    const { broker, handle } = await connected();
    handle.handle("hint", () => {
      throw requestError("EBUSY", "lost");
    });
    broker.send(request("svc.hint", { matchtag: 0, flags: FLAG.noresponse }));
    const logged = await broker.nextRequest("log.append");
    expect(JSON.parse(String(logged.payload))).toEqual({ level: "err", text: "svc.hint: lost" });
  });
});

describe("a streaming handler", () => {
  async function* count(end: number): AsyncGenerator<number> {
    for (let i = 0; i < end; i++) yield await Promise.resolve(i);
  }

  test("sends what its iterable yields, then ENODATA", async () => {
    const { broker, handle } = await connected();
    handle.handle("count", () => count(3));
    broker.send(request("svc.count", { flags: FLAG.streaming }));
    await broker.next((m) => m.type === "response" && m.errnum === ERRNO.ENODATA);
    expect(broker.received.map((m) => m.payload)).toEqual(["0", "1", "2", undefined]);
  });

  test("is refused for a request that wants one response", async () => {
    const { broker, handle } = await connected();
    handle.handle("count", () => count(3));
    expect((await broker.call("svc.count")).errnum).toBe(ERRNO.EPROTO);
  });

  test("that yields for ever does not keep the rest from running", async () => {
    const { broker, handle } = await connected();
    handle.handle("count", () => count(Infinity));
    broker.send(request("svc.count", { flags: FLAG.streaming, matchtag: 7 }));
    await broker.next((m) => m.payload === "2000");
    broker.send(request("svc.cancel", { matchtag: 0, flags: FLAG.noresponse, payload: '{"matchtag":7}' }));
    await broker.next((m) => m.type === "response" && m.errnum === ERRNO.ECANCELED);
  });

  test.each([
    ["cancels", request("svc.cancel", { matchtag: 0, flags: FLAG.noresponse, payload: '{"matchtag":7}' })],
    [
      "cancels in invalid JSON",
      request("svc.cancel", { matchtag: 0, flags: FLAG.noresponse, payload: '{"matchtag":07}' }),
    ],
    ["disconnects", request("svc.disconnect", { matchtag: 0, flags: FLAG.noresponse })],
  ])("is stopped when its requester %s", async (_what, ending) => {
    const { broker, handle } = await connected();
    const stopped = new Promise<boolean>((resolve) => {
      handle.handle("watch", async function* (r) {
        try {
          yield "first";
          await new Promise((wake) => r.signal.addEventListener("abort", wake));
        } finally {
          resolve(r.answered);
        }
      });
    });
    broker.send(request("svc.watch", { flags: FLAG.streaming, matchtag: 7 }));
    await broker.next((m) => m.payload === '"first"');
    broker.send(ending);
    expect(await stopped).toBe(true);
  });

  test("hears of nobody else's disconnect or cancel", async () => {
    const { broker, handle } = await connected();
    let ended = false;
    handle.handle("watch", (r) => {
      r.signal.addEventListener("abort", () => {
        ended = true;
      });
      handle.respond(r, "first");
    });
    broker.send(request("svc.watch", { flags: FLAG.streaming, matchtag: 7, route: ["me", "hop"] }));
    broker.send(request("svc.disconnect", { matchtag: 0, flags: FLAG.noresponse, route: ["other", "hop"] }));
    const cancel = { matchtag: 0, flags: FLAG.noresponse, payload: '{"matchtag":7}', route: ["other"] };
    broker.send(request("svc.cancel", cancel));
    await settled();
    expect(ended).toBe(false);
    broker.channel.close();
    await handle.closed;
    expect(ended).toBe(true);
  });
});

describe("events", () => {
  test("reach the listeners of the topic, of its beginning, and of all", async () => {
    const { broker, handle } = await connected();
    const seen: string[] = [];
    for (const topic of ["a.b", "a.*", "*", "a.b.*", "b"]) {
      await handle.subscribe(topic, (event) => seen.push(`${topic} ${event.topic} ${event.seq}`));
    }
    for (const [i, topic] of ["a.b", "a.b.c", "a", "ab.c"].entries()) {
      broker.send({ type: "event", topic, seq: i + 1, payload: "1" });
    }
    await settled();
    expect(seen).toEqual([
      ...["a.b a.b 1", "a.* a.b 1", "* a.b 1"],
      ...["a.b.* a.b.c 2", "a.* a.b.c 2", "* a.b.c 2"],
      ...["* a 3", "* ab.c 4"],
    ]);
  });

  test("are subscribed to once at the broker, and no more after unsubscribe", async () => {
    const { broker, handle } = await connected();
    let count = 0;
    const listener = (): void => {
      count++;
    };
    await Promise.all([handle.subscribe("a", listener), handle.subscribe("a", () => count++)]);
    const isSubscribe = (m: { type: string; topic?: string }): boolean => m.topic === "event.subscribe";
    expect(broker.received.filter(isSubscribe)).toHaveLength(1);
    broker.send({ type: "event", topic: "a", seq: 1 });
    await settled();
    await handle.unsubscribe("a");
    broker.send({ type: "event", topic: "a", seq: 2 });
    await settled();
    expect(count).toBe(2);
  });

  test("keep their other listeners when one more gives up waiting", async () => {
    const { broker, handle } = await connected();
    let count = 0;
    await handle.subscribe("a", () => count++);
    const late = handle.subscribe("a", () => undefined, { signal: AbortSignal.abort() });
    expect(await failureOf(late)).toMatchObject(failedWith("ECANCELED"));
    broker.send({ type: "event", topic: "a", seq: 1 });
    await settled();
    expect(count).toBe(1);
    expect(broker.received.filter((m) => m.type === "request")).toHaveLength(1);
  });

  test("are confirmed although they are undone at once", async () => {
    const { handle } = await connected();
    const subscribed = handle.subscribe("a", () => undefined);
    await Promise.all([subscribed, handle.unsubscribe("a")]);
  });

  test("end once with ENODATA for each listener, and may be made again from within", async () => {
    const { broker, handle } = await connected();
    const seen: string[] = [];
    const again: Promise<void>[] = [];
    const listener = ({ seq }: Event): void => void seen.push(`event ${seq}`);
    const onEnd = (error: SluiceError): void => {
      seen.push(`end ${error.errnum} ${error.message}`);
      again.push(handle.subscribe("a", listener, { onEnd }));
    };
    await handle.subscribe("a", listener, { onEnd });
    await handle.subscribe("a", () => undefined, { onEnd: () => seen.push("other") });
    const first = await broker.nextRequest("event.subscribe");
    expect(first.flags).toBe(FLAG.streaming);
    const end = reply(first, { errnum: ERRNO.ENODATA, error: "missed" });
    broker.send(end);
    broker.send(end);
    await settled();
    await Promise.all(again);
    broker.send({ type: "event", topic: "a", seq: 9 });
    await settled();
    const text = "subscription to a has ended: missed";
    expect(seen).toEqual([`end ${ERRNO.ENODATA} ${text}`, "other", "event 9"]);
  });

  test("that end without a notice end the connection of a client, which says why", async () => {
    const { broker, handle } = await connected();
    const waiting = failureOf(handle.rpc("a.b"));
    await handle.subscribe("a", () => undefined);
    broker.send(reply(await broker.nextRequest("event.subscribe"), { errnum: ERRNO.ENODATA }));
    expect(await waiting).toMatchObject(failedWith("ENODATA"));
    expect(await handle.closed).toMatchObject(failedWith("ENODATA"));
  });

  test("that end without a notice fail a module", async () => {
    const [far, near] = channelPair();
    const broker = new FakeBroker(far);
    broker.send(welcome());
    const outcome = runModuleMain(near, () =>
      Promise.resolve(async (h: Handle) => {
        await h.subscribe("a", () => undefined);
        await h.run();
      }),
    );
    const asksForA = (m: Message): boolean => m.type === "request" && m.payload === '{"topic":"a"}';
    const request = (await broker.next(asksForA)) as RequestMessage;
    await broker.nextRequest("module.status");
    broker.send(reply(request, { errnum: ERRNO.ENODATA, error: "missed" }));
    const message = "subscription to a has ended: missed";
    expect(await outcome).toEqual({ kind: "error", errnum: ERRNO.ENODATA, message });
  });

  test("of a bad topic are EINVAL, and those that the broker refuses are not listened to", async () => {
    const { broker, handle } = await connected();
    let count = 0;
    const listener = (): void => {
      count++;
    };
    expect(await failureOf(handle.subscribe("a..b", listener))).toMatchObject(failedWith("EINVAL"));
    broker.answer("event.subscribe", (r) => {
      broker.send(reply(r, { errnum: ERRNO.EPERM }));
      return undefined;
    });
    expect(await failureOf(handle.subscribe("a", listener))).toMatchObject(failedWith("EPERM"));
    broker.send({ type: "event", topic: "a", seq: 1 });
    await settled();
    expect(count).toBe(0);
  });

  test("are published raw, and the sequence number comes back", async () => {
    const { broker, handle } = await connected();
    broker.answer("event.publish.a.b", () => ({ seq: 17 }));
    expect(await handle.publish("a.b", { x: 1 })).toBe(17);
    expect((await broker.nextRequest("event.publish.a.b")).payload).toBe('{"x":1}');
  });
});

describe("attributes", () => {
  test("of the welcome are not asked for, others are, and unknown ones are undefined", async () => {
    const { broker, handle } = await connected({ attrs: { rank: "0" } });
    expect(await handle.attr("rank")).toBe("0");
    expect(broker.received).toEqual([]);
    broker.answer("attr.get", () => ({ value: "v" }));
    expect(await handle.attr("other")).toBe("v");
    broker.answer("attr.get", (r) => {
      broker.send(reply(r, { errnum: ERRNO.ENOENT }));
      return undefined;
    });
    expect(await handle.attr("toString")).toBeUndefined();
  });
});

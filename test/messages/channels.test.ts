import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex, PassThrough } from "node:stream";
import { MessageChannel } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Channel,
  channelPair,
  encodeMessage,
  type Message,
  portChannel,
  type RawPayload,
  socketChannel,
} from "../../src/messages/index.js";
import { reply, request, settled } from "./fake-broker.js";

let directory: string;
let server: Server;
let cleanUp: (() => void)[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-channels-"));
  server = createServer();
  cleanUp = [];
});

afterEach(async () => {
  for (const clean of cleanUp) clean();
  server.close();
  await rm(directory, { recursive: true });
});

/** The two ends of a connection through a unix socket. */
async function sockets(): Promise<[Socket, Socket]> {
  const path = join(directory, "socket");
  if (!server.listening) await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const near = connect(path);
  const far = await accepted;
  cleanUp.push(
    () => near.destroy(),
    () => far.destroy(),
  );
  return [near, far];
}

const makers: Readonly<Record<string, () => Promise<[Channel, Channel]>>> = {
  socket: async () => {
    const [near, far] = await sockets();
    return [socketChannel(near), socketChannel(far)];
  },
  port: () => {
    const { port1, port2 } = new MessageChannel();
    cleanUp.push(() => port1.close());
    return Promise.resolve([portChannel(port1), portChannel(port2)]);
  },
  memory: () => Promise.resolve(channelPair()),
};

/** Resolves to the messages that came, when that many have. */
function take(channel: Channel, count: number): Promise<Message[]> {
  const messages: Message[] = [];
  return new Promise((resolve) => {
    channel.onMessage((message) => {
      messages.push(message);
      if (messages.length === count) resolve(messages);
    });
  });
}

function closing(channel: Channel): Promise<Error | undefined> {
  return new Promise((resolve) => channel.onClose(resolve));
}

const event = (seq: number, payload?: RawPayload): Message => ({ type: "event", topic: "e", seq, payload });

describe.each(Object.entries(makers))("a %s channel", (_name, make) => {
  test("carries every kind of message as it is", async () => {
    const [a, b] = await make();
    const messages: Message[] = [
      request("kvs.get", { payload: '{"ä":1}', userid: 5, rolemask: 1, nodeid: 3, route: ["x", "y"] }),
      reply(request("kvs.get"), { payload: new Uint8Array([0, 255]) }),
      reply(request("kvs.get"), { errnum: 2, error: "no such key" }),
      event(9, ""),
      { type: "control", control: "status" },
    ];
    for (const message of messages) a.send(message);
    expect(await take(b, messages.length)).toEqual(messages);
  });

  test("keeps the order of many, in both directions at once", async () => {
    const [a, b] = await make();
    const fromA = take(b, 5000);
    const fromB = take(a, 5000);
    for (let i = 0; i < 5000; i++) {
      a.send(i % 2 === 0 ? event(i) : request("x.y", { matchtag: i }));
      b.send(event(i));
    }
    const order = (await fromA).map((m) =>
      m.type === "event" ? m.seq : m.type === "request" ? m.matchtag : -1,
    );
    expect(order).toEqual(Array.from({ length: 5000 }, (_, i) => i));
    expect((await fromB).map((m) => m.type === "event" && m.seq)).toEqual(order);
  });

  test("has taken the payload when send returns, and what arrives belongs to the receiver", async () => {
    const [a, b] = await make();
    const shared = Buffer.from("abcdefgh");
    const large = new Uint8Array(100_000).fill(1);
    a.send(event(1, shared.subarray(2, 4)));
    a.send(event(2, large));
    shared.fill(0);
    large.fill(2);
    const [small, big] = await take(b, 2);
    expect(small?.payload).toEqual(new Uint8Array([99, 100]));
    expect(big?.payload).toEqual(new Uint8Array(100_000).fill(1));
    (small?.payload as Uint8Array).fill(7);
    expect(large[0]).toBe(2);
  });

  test("loses nothing that came before there was a listener", async () => {
    const [a, b] = await make();
    a.send(event(1));
    await settled();
    a.send(event(2));
    expect((await take(b, 2)).map((m) => m.type === "event" && m.seq)).toEqual([1, 2]);
  });

  test("delivers what was sent before close, then tells both ends, and drops what is sent later", async () => {
    const [a, b] = await make();
    const closed = Promise.all([closing(a), closing(b)]);
    const arrived = take(b, 1000);
    for (let i = 0; i < 1000; i++) a.send(event(i, new Uint8Array(500)));
    a.close();
    a.send(event(1000));
    a.close();
    expect(await arrived).toHaveLength(1000);
    expect(await closed).toEqual([undefined, undefined]);
    expect((await arrived).length).toBe(1000);
  });

  test("tells of its end also whom asks afterwards", async () => {
    const [a, b] = await make();
    b.onMessage(() => undefined);
    const closed = closing(b);
    a.close();
    await closed;
    expect(await closing(b)).toBeUndefined();
  });

  test("holds requests back but for module.status, and lets everything else through", async () => {
    const [a, b] = await make();
    const seen: string[] = [];
    b.setFlow("hold");
    const passed = new Promise<void>((resolve) => {
      b.onMessage((m) => {
        seen.push(m.type === "request" ? `${m.topic} ${m.matchtag}` : m.type);
        if (m.type === "event") resolve();
      });
    });
    a.send(request("svc.x", { matchtag: 1 }));
    a.send(request("module.status", { matchtag: 2 }));
    a.send(request("svc.x", { matchtag: 3 }));
    a.send(reply(request("svc.x")));
    a.send({ type: "control", control: "status" });
    a.send(event(1));
    await passed;
    expect(seen).toEqual(["module.status 2", "response", "control", "event"]);
    b.setFlow("resume");
    expect(seen.slice(4)).toEqual(["svc.x 1", "svc.x 3"]);
  });

  test("keeps requests behind held ones, also when the listener holds again", async () => {
    const [a, b] = await make();
    const seen: number[] = [];
    let finished = (): void => undefined;
    const all = new Promise<void>((resolve) => {
      finished = resolve;
    });
    b.onMessage((m) => {
      if (m.type !== "request") return;
      seen.push(m.matchtag);
      if (m.matchtag === 20) finished();
      b.setFlow("hold");
      setImmediate(() => b.setFlow("resume"));
    });
    for (let i = 1; i <= 20; i++) a.send(request("svc.x", { matchtag: i }));
    await all;
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  test("delivers held requests when the other end has gone, and then tells that it has", async () => {
    const [a, b] = await make();
    const seen: string[] = [];
    b.setFlow("hold");
    const passed = new Promise<void>((resolve) => {
      b.onMessage((m) => {
        seen.push(m.type);
        // As who holds requests does for each that comes; nothing must be left waiting at the end all the same.
        b.setFlow("hold");
        if (m.type === "event") resolve();
      });
    });
    const told = new Promise<void>((resolve) => {
      b.onClose(() => {
        seen.push("close");
        resolve();
      });
    });
    a.send(request("svc.x", { matchtag: 1 }));
    a.send(request("svc.x", { matchtag: 2 }));
    a.send(event(1));
    await passed;
    expect(seen).toEqual(["event"]);
    a.close();
    await told;
    expect(seen).toEqual(["event", "request", "request", "close"]);
  });

  test("counts the requests among what waits", async () => {
    const [a, b] = await make();
    a.send(request("svc.x", { payload: "12345" }));
    a.send(event(1, "12345"));
    a.send(request("svc.x", { payload: "12345" }));
    expect(a.requestBacklog().messages).toBe(2);
    expect(a.requestBacklog().bytes).toBeGreaterThanOrEqual(10);
    expect(a.requestBacklog().bytes).toBeLessThan(a.backlog().bytes);
    const drained = new Promise<void>((resolve) => {
      a.onDrain(() => {
        if (a.backlog().messages === 0) resolve();
      });
    });
    await take(b, 3);
    await drained;
    expect(a.requestBacklog()).toEqual({ messages: 0, bytes: 0 });
  });

  test("drops what waits on both ends when it is aborted, and tells both", async () => {
    const [a, b] = await make();
    const closed = Promise.all([closing(a), closing(b)]);
    for (let i = 0; i < 1000; i++) a.send(event(i, new Uint8Array(10_000)));
    a.abort();
    a.send(event(1000));
    a.abort();
    b.onMessage(() => undefined);
    a.onMessage(() => undefined);
    expect(await closed).toEqual([undefined, undefined]);
  });

  test("counts what the other end has not taken, and tells when it becomes less", async () => {
    const [a, b] = await make();
    expect(a.backlog()).toEqual({ messages: 0, bytes: 0 });
    const drained = new Promise<void>((resolve) => {
      a.onDrain(() => {
        if (a.backlog().messages === 0) resolve();
      });
    });
    for (let i = 0; i < 10; i++) a.send(event(i, "12345"));
    expect(a.backlog().messages).toBe(10);
    expect(a.backlog().bytes).toBeGreaterThanOrEqual(50);
    await take(b, 10);
    await drained;
    expect(a.backlog()).toEqual({ messages: 0, bytes: 0 });
  });
});

describe("a socket channel", () => {
  test("sends what is queued even when the other end reads late, and then closes", async () => {
    const [near, far] = await sockets();
    const a = socketChannel(near);
    const payload = new Uint8Array(1024 * 1024).fill(3);
    for (let i = 0; i < 20; i++) a.send(event(i, payload));
    a.close();
    await settled();
    expect(a.backlog().messages).toBeGreaterThan(0);
    const arrived = await take(socketChannel(far), 20);
    expect(arrived.every((m) => (m.payload as Uint8Array).length === payload.length)).toBe(true);
  });

  test("joins what is sent in one turn into few writes", async () => {
    let writes = 0;
    const stream = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, done) => {
        writes++;
        done();
      },
    });
    const channel = socketChannel(stream);
    for (let i = 0; i < 500; i++) channel.send(event(i));
    await settled();
    expect(writes).toBeLessThan(5);
    expect(channel.backlog().messages).toBe(0);
  });

  test("is closed by something malformed, with the reason, and no other is", async () => {
    const [goodNear, goodFar] = await sockets();
    const [badNear, badFar] = await sockets();
    const good = socketChannel(goodFar);
    const bad = socketChannel(badFar);
    const seen: Message[] = [];
    bad.onMessage((m) => seen.push(m));
    const badClosed = closing(bad);
    badNear.write(Buffer.concat([encodeMessage(event(1)), Buffer.from("this is no message at all")]));
    expect(await badClosed).toMatchObject({ code: "BROKER_PROTOCOL" });
    expect(seen).toHaveLength(1);
    await new Promise((resolve) => badNear.once("close", resolve));
    goodNear.write(encodeMessage(event(2)));
    expect(await take(good, 1)).toHaveLength(1);
  });

  test("tells when the other end breaks off inside a message", async () => {
    const [near, far] = await sockets();
    const channel = socketChannel(far);
    channel.onMessage(() => undefined);
    const closed = closing(channel);
    near.end(encodeMessage(event(1)).subarray(0, 20));
    expect(await closed).toMatchObject({ code: "BROKER_PROTOCOL" });
  });

  test("tells when the stream breaks", async () => {
    const stream = new PassThrough();
    const channel = socketChannel(stream);
    const closed = closing(channel);
    const cause = new Error("cable cut");
    stream.destroy(cause);
    expect(await closed).toBe(cause);
  });

  test("keeps at the sender the requests that the other end holds, and lets all else go ahead of them", async () => {
    const [near, far] = await sockets();
    const a = socketChannel(near);
    const b = socketChannel(far);
    let requests = 0;
    const responded = new Promise<void>((resolve) => {
      b.onMessage((m) => {
        if (m.type === "response") resolve();
        else requests++;
      });
    });
    b.setFlow("hold");
    const told = new Promise<void>((resolve) => a.onMessage(() => resolve()));
    b.send(event(1));
    await told;
    const payload = "x".repeat(1024);
    for (let i = 0; i < 60_000; i++) a.send(request("svc.x", { matchtag: i, payload }));
    a.send(reply(request("svc.y")));
    await responded;
    expect(a.requestBacklog().messages).toBe(60_000);
    expect(a.underWay()).toBeLessThanOrEqual(1);
    expect(far.isPaused()).toBe(false);
    expect(requests).toBe(0);
    const all = take(b, 60_000);
    b.setFlow("resume");
    expect((await all).map((m) => m.type === "request" && m.matchtag)).toEqual(
      Array.from({ length: 60_000 }, (_, i) => i),
    );
  });

  test("has a sender keep what follows when its requests only wait for their turn, and its responses arrive", async () => {
    const [near, far] = await sockets();
    const a = socketChannel(near);
    const b = socketChannel(far);
    const order: number[] = [];
    let isTurn = false;
    const resume = b.admitRequests(() => isTurn);
    a.onMessage(() => undefined);
    const responded = new Promise<void>((resolve) => {
      b.onMessage((m) => {
        if (m.type === "response") resolve();
        else if (m.type === "request") order.push(m.matchtag);
      });
    });
    const payload = "x".repeat(1024);
    for (let i = 0; i < 20_000; i++) a.send(request("svc.x", { matchtag: i, payload }));
    a.send(reply(request("svc.y")));
    await responded;
    expect(order).toEqual([]);
    expect(b.unread()).toBeLessThan(10_000);
    isTurn = true;
    resume();
    await expect.poll(() => order.length, { interval: 5, timeout: 30_000 }).toBe(20_000);
    expect(order).toEqual(Array.from({ length: 20_000 }, (_, i) => i));
  });

  test("stops reading from a sender that does not wait although its requests are held, and goes on", async () => {
    const [near, far] = await sockets();
    const b = socketChannel(far);
    let count = 0;
    const all = new Promise<void>((resolve) => {
      b.onMessage(() => {
        count++;
        if (count === 60_000) resolve();
      });
    });
    b.setFlow("hold");
    for (let i = 0; i < 60_000; i++) {
      near.write(encodeMessage(request("svc.x", { matchtag: i, payload: '"0123456789"' })));
    }
    near.resume();
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (far.isPaused()) resolve();
        else setImmediate(look);
      };
      look();
    });
    expect(count).toBe(0);
    expect(near.writableLength).toBeGreaterThan(0);
    b.setFlow("resume");
    await all;
  });

  test("refuses a message over its limit and stays open", async () => {
    const [near, far] = await sockets();
    const channel = socketChannel(near, { headerBytes: 1000, payloadBytes: 10 });
    expect(() => channel.send(event(1, "x".repeat(11)))).toThrow(
      expect.objectContaining({ code: "BROKER_REQUEST" }),
    );
    channel.send(event(2, "x".repeat(10)));
    expect(await take(socketChannel(far), 1)).toMatchObject([{ seq: 2 }]);
  });
});

describe("a port channel", () => {
  test("gives the thread a turn after some dozens of messages, however many have gathered, and keeps their order", async () => {
    const { port1, port2 } = new MessageChannel();
    cleanUp.push(() => port1.close());
    const a = portChannel(port1);
    // In parcels of one, of few, and of many.
    for (let i = 0; i < 1000; i++) {
      a.send(event(i));
      if (i < 300) a.flush();
    }
    await settled();
    const b = portChannel(port2);
    const seen: number[] = [];
    b.onMessage((m) => m.type === "event" && seen.push(m.seq));
    let most = 0;
    for (let before = 0; before < 1000; before = seen.length) {
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, seen.length - before);
    }
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    // What has come in this turn, and what was left of the last.
    expect(most).toBeLessThanOrEqual(128);
  });

  test("delivers what has gathered before its end", async () => {
    const { port1, port2 } = new MessageChannel();
    const a = portChannel(port1);
    for (let i = 0; i < 1000; i++) a.send(event(i));
    a.close();
    const b = portChannel(port2);
    let count = 0;
    b.onMessage(() => count++);
    await new Promise<void>((resolve) => b.onClose(() => resolve()));
    expect(count).toBe(1000);
  });

  test("counts what is left when the other end has taken a part", async () => {
    const { port1, port2 } = new MessageChannel();
    cleanUp.push(() => port1.close());
    const [a, b] = [portChannel(port1), portChannel(port2)];
    b.setFlow("hold");
    b.onMessage(() => undefined);
    for (let i = 0; i < 100; i++) a.send(request("svc.x", { payload: "12345" }));
    for (let i = 0; i < 100; i++) a.send(event(i, "123"));
    expect([a.backlog(), a.requestBacklog()]).toEqual([
      { messages: 200, bytes: 800 },
      { messages: 100, bytes: 500 },
    ]);
    const left = { messages: 100, bytes: 500 };
    await expect.poll(() => [a.backlog(), a.requestBacklog()], { timeout: 20_000 }).toEqual([left, left]);
  });

  test("lets requests wait at the sender when 10,000 have not been taken, but nothing else", async () => {
    const { port1, port2 } = new MessageChannel();
    cleanUp.push(() => port1.close());
    const a = portChannel(port1);
    for (let i = 0; i < 10_100; i++) a.send(request("svc.x", { matchtag: i }));
    a.send(event(1));
    a.send(reply(request("svc.y")));
    await settled();
    const b = portChannel(port2);
    const others: string[] = [];
    let requests = 0;
    let requestsBefore = 0;
    const all = new Promise<void>((resolve) => {
      b.onMessage((m) => {
        if (m.type === "request") requests++;
        else {
          others.push(m.type);
          requestsBefore = requests;
        }
        if (requests === 10_100) resolve();
      });
    });
    await all;
    expect(others).toEqual(["event", "response"]);
    expect(requestsBefore).toBe(10_000);
  });
});

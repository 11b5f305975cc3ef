import { createConnection } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { MessageTrace } from "../../src/broker/routing/message-trace.js";
import { ERRNO, requestError } from "../../src/errors/index.js";
import {
  decodePayload,
  encodeMessage,
  fields,
  FLAG,
  FrameDecoder,
  type Handle,
  type Payload,
  type RequestMessage,
} from "../../src/messages/index.js";
import { realBroker } from "./support/real-broker.js";
import { startBroker } from "./support/start-broker.js";

const echo = async (h: Handle): Promise<void> => {
  h.handle("echo", (request) => request.payload);
  h.handle("fail", () => {
    throw requestError("ENOENT", "no such thing");
  });
  await h.run();
};

type Request = Readonly<Record<string, string | boolean | readonly string[]>>;

/** Begins a trace; gives what takes its next records, shortened to what is asked about most. */
function trace(handle: Handle, request: Request = {}) {
  const stream = handle.rpcStream("module.trace", request);
  const first = stream.next();
  let isFirst = true;
  const next = async (): Promise<Payload> => {
    const result = isFirst ? await first : await stream.next();
    isFirst = false;
    return result.done === true ? undefined : result.value;
  };
  const lines = async (count: number): Promise<string[]> => {
    const all: string[] = [];
    while (all.length < count) {
      const record = fields(await next(), {
        direction: "string",
        type: "string",
        name: "string",
        topic: "string",
        errnum: "integer?",
      });
      const { direction, type, name, topic, errnum } = record;
      all.push([direction, type, name, topic, ...(errnum === undefined ? [] : [errnum])].join(" "));
    }
    return all;
  };
  return { stream, next, lines };
}

describe("module.trace", () => {
  test("tells of every message of a module from its welcome on, also before the module is loaded", async () => {
    const { handle, broker } = await startBroker({ echo });
    const { lines, stream } = trace(handle, { names: ["echo"] });
    await handle.rpc("module.load", { path: "/mem/echo" });
    await handle.rpc("echo.echo", { a: 1 });
    await handle.rpc("echo.fail").catch(() => undefined);
    await handle.publish("echo.stats-clear");
    await handle.rpc("module.remove", { name: "echo" });
    expect(await lines(13)).toEqual([
      "rx control echo welcome",
      "tx request echo event.subscribe",
      "rx response echo event.subscribe 0",
      "tx request echo module.status",
      "rx request echo echo.echo",
      "tx response echo echo.echo 0",
      "rx request echo echo.fail",
      `tx response echo echo.fail ${ERRNO.ENOENT}`,
      "rx event echo echo.stats-clear",
      "rx request echo echo.shutdown",
      "tx request echo module.status",
      "rx response echo module.status 0",
      "tx request echo module.status",
    ]);
    await stream.return?.();
    await handle.rpc("module.ping");
    expect(broker.pendingRequests).toBe(0);
  });

  test("tells when, how large, and with full also what", async () => {
    const { handle } = await startBroker({ echo });
    await handle.rpc("module.load", { path: "/mem/echo" });
    const before = Date.now() / 1000;
    const short = trace(handle);
    const full = trace(handle, { full: true });
    await handle.rpc("echo.echo", { text: "é" });
    await handle.rpc("echo.echo", new Uint8Array([255, 0]));
    const record = fields(await short.next(), { time: "number", payloadBytes: "integer", payload: "json?" });
    expect(record).toMatchObject({ payloadBytes: 13, payload: undefined });
    expect(Math.abs(record.time - before)).toBeLessThan(60);
    const all = [await full.next(), await full.next(), await full.next()];
    expect(all).toMatchObject([
      { payload: '{"text":"é"}' },
      { payload: '{"text":"é"}', errnum: 0 },
      { payload: "/wA=", encoding: "base64", payloadBytes: 2 },
    ]);
  });

  test("leaves a payload of over a megabyte out, and still says how large it is", async () => {
    const { handle } = await startBroker({ echo });
    await handle.rpc("module.load", { path: "/mem/echo" });
    const { next } = trace(handle, { full: true });
    await handle.rpc("echo.echo", "x".repeat(1024 * 1024));
    const record = fields(await next(), { payloadBytes: "integer", payload: "json?" });
    expect(record).toEqual({ payloadBytes: 1024 * 1024 + 2, payload: undefined });
  });

  test("keeps to the modules, topics and types that were asked for", async () => {
    const { handle } = await startBroker({ echo });
    for (const name of ["a", "b"]) await handle.rpc("module.load", { path: "/mem/echo", name });
    const traces = [{ names: ["b"] }, { topic: "*.e?ho" }, { types: ["response", "event"] }].map((request) =>
      trace(handle, request),
    );
    await handle.rpc("a.ping");
    await handle.rpc("a.echo", 1);
    await handle.rpc("b.echo", 2);
    await handle.publish("b.stats-clear");
    const [byName, byTopic, byType] = await Promise.all(traces.map(({ lines }) => lines(3)));
    expect(byName).toEqual(["rx request b b.echo", "tx response b b.echo 0", "rx event b b.stats-clear"]);
    expect(byTopic).toEqual(["rx request a a.echo", "tx response a a.echo 0", "rx request b b.echo"]);
    expect(byType).toEqual(["tx response a a.ping 0", "tx response a a.echo 0", "tx response b b.echo 0"]);
  });

  test("does not tell of itself to a module that traces", async () => {
    const seen: Payload[] = [];
    const watcher = async (h: Handle): Promise<void> => {
      h.handle("start", async () => {
        const stream = h.rpcStream("module.trace", { names: ["watcher"] });
        void (async () => {
          for await (const record of stream) seen.push(record);
        })().catch(() => undefined);
        return Promise.resolve(null);
      });
      await h.run();
    };
    const { handle } = await startBroker({ watcher });
    await handle.rpc("module.load", { path: "/mem/watcher" });
    await handle.rpc("watcher.start");
    for (let n = 0; n < 5; n++) await handle.rpc("watcher.ping");
    await vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(11), { interval: 1, timeout: 30_000 });
    expect(seen).toHaveLength(11);
  });

  test("does not tell of what is held back from a module until it is given it", async () => {
    const { handle } = await startBroker({ echo });
    await handle.rpc("module.load", { path: "/mem/echo" });
    await handle.rpc("module.debug", { name: "echo", defer: true });
    const { lines } = trace(handle);
    const answer = handle.rpc("echo.echo", 1);
    await handle.publish("echo.stats-clear");
    const { lines: later } = trace(handle);
    await handle.rpc("module.debug", { name: "echo", defer: false });
    await answer;
    expect(await lines(2)).toEqual(await later(2));
  });

  test.each([
    ["a type that there is not", { types: ["letter"] }, ERRNO.EINVAL],
    ["what cannot be a name", { names: ["a.b"] }, ERRNO.EINVAL],
    ["a topic that is no text", { topic: ["a"] }, ERRNO.EPROTO],
  ])("refuses %s", async (_what, request, errnum) => {
    const { handle } = await startBroker();
    await expect(trace(handle, request).next()).rejects.toMatchObject({ errnum });
    await expect(handle.rpc("module.trace", {})).rejects.toMatchObject({ errnum: ERRNO.EPROTO });
  });

  test("is not for guests", async () => {
    const { broker } = await startBroker();
    const guest = await broker.connect({ guest: true });
    await expect(trace(guest).next()).rejects.toMatchObject({ errnum: ERRNO.EPERM });
  });

  test("costs nothing before the first watcher and after the last", () => {
    const trace = new MessageTrace();
    const filter = {
      names: new Set<string>(),
      matchesTopic: undefined,
      types: new Set<never>(),
      isFull: false,
    };
    expect(trace.tap).toBeUndefined();
    const ends = [trace.watch(filter, () => undefined), trace.watch(filter, () => undefined)];
    expect(trace.tap).toBeDefined();
    for (const end of ends) end();
    expect(trace.tap).toBeUndefined();
  });

  test("ends with its reader", async () => {
    const { handle, broker } = await startBroker({ echo });
    const other = await broker.connect();
    const lost = expect(trace(other).next()).rejects.toMatchObject({ errnum: ERRNO.ECANCELED });
    await other.rpc("module.ping");
    expect(broker.pendingRequests).toBe(1);
    await other.close();
    await lost;
    await handle.rpc("module.ping");
    expect(broker.pendingRequests).toBe(0);
  });
});

describe("a tracer that does not read", () => {
  test("misses messages, learns how many, and harms neither the modules nor the broker's memory", async () => {
    const { broker, handle } = await realBroker();
    await handle.rpc("module.load", { path: join(import.meta.dirname, "fixtures/subject.mjs") });
    const socket = createConnection((broker.uri ?? "").slice("local://".length));
    onTestFinished(() => void socket.destroy());
    let seen = 0;
    let dropped = 0;
    const decoder = new FrameDecoder();
    const ready = new Promise<void>((resolve) => {
      socket.on("data", (chunk) =>
        decoder.push(chunk, (message) => {
          if (message.type !== "response") return;
          if (message.matchtag === 2) {
            resolve();
            return;
          }
          const record = fields(decodePayload(message.payload), { dropped: "integer?" });
          if (record.dropped === undefined) seen += 1;
          else dropped += record.dropped;
        }),
      );
    });
    const filter = JSON.stringify({ topic: "subject.echo" });
    socket.write(encodeMessage(rawRequest("module.trace", 1, FLAG.streaming, filter)));
    socket.write(encodeMessage(rawRequest("module.ping", 2, 0)));
    await ready;
    socket.pause();
    const rounds = 15;
    for (let round = 0; round < rounds; round++) {
      await Promise.all(Array.from({ length: 1000 }, (_, n) => handle.rpc("subject.echo", n)));
    }
    socket.resume();
    await vi.waitFor(() => expect(seen + dropped).toBe(rounds * 2000), { interval: 5, timeout: 20_000 });
    expect(dropped).toBeGreaterThan(0);
    expect(seen).toBeGreaterThanOrEqual(1000);
  });
});

function rawRequest(topic: string, matchtag: number, flags: number, payload?: string): RequestMessage {
  return { type: "request", topic, matchtag, flags, nodeid: "any", route: [], payload };
}

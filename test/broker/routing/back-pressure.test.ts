import { createConnection, type Socket } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { BrokerOptions } from "../../../src/broker/index.js";
import { ERRNO } from "../../../src/errors/index.js";
import {
  encodeMessage,
  FLAG,
  FrameDecoder,
  fields,
  type Handle,
  type Message,
  type Payload,
  type RequestMessage,
} from "../../../src/messages/index.js";
import { startBroker, type TestBroker } from "../support/start-broker.js";

/** What may wait for one receiver (docs/design/modules.md §2). */
const LIMIT = 10_000;
const MIB = 1024 * 1024;

/** For what comes by itself, also on a busy machine. */
const PATIENTLY = { interval: 5, timeout: 120_000 };

/** A module that says in which order it was asked. */
function echo(seen: Payload[] = []) {
  return async (h: Handle): Promise<void> => {
    h.handle("echo", (request) => {
      seen.push(request.payload);
      return request.payload;
    });
    await h.run();
  };
}

async function load(handle: Handle, ...names: string[]): Promise<void> {
  for (const name of names) await handle.rpc("module.load", { path: `/mem/${name}` });
}

async function defer(handle: Handle, name: string, on: boolean): Promise<void> {
  await handle.rpc("module.debug", { name, defer: on });
}

/** How many messages wait for a module (`sendq`), and how many of its own the broker has not taken (`recvq`). */
async function queues(handle: Handle, module: string): Promise<{ sendq: number; recvq: number }> {
  const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
  const found = modules.map((entry) => fields(entry, { name: "string", sendq: "integer", recvq: "integer" }));
  const { sendq, recvq } = found.find(({ name }) => name === module) ?? { sendq: -1, recvq: -1 };
  return { sendq, recvq };
}

/** How many messages wait for a module. */
async function waiting(handle: Handle, module: string): Promise<number> {
  return (await queues(handle, module)).sendq;
}

/** As many requests at once, each with its number. */
function flood(handle: Handle, topic: string, count: number, from = 0): Promise<Payload>[] {
  return Array.from({ length: count }, (_, n) => handle.rpc(topic, from + n));
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** The error numbers of what failed, with how often. */
async function outcomes(requests: readonly Promise<Payload>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const result of await Promise.allSettled(requests)) {
    const key =
      result.status === "fulfilled" ? "answered" : String((result.reason as { errnum: unknown }).errnum);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** After whatever is on its way has arrived: requests of others go round until nothing changes any more. */
async function settledAt(handle: Handle, module: string): Promise<number> {
  for (let last = -1; ;) {
    const now = await waiting(handle, module);
    if (now === last) return now;
    last = now;
  }
}

describe("a module that takes nothing", () => {
  test("has 10,000 messages waiting for it and no more; the rest is asked when it takes them, in order", async () => {
    const seen: Payload[] = [];
    const { broker, handle } = await startBroker({ slow: echo(seen) });
    await load(handle, "slow");
    await defer(handle, "slow", true);
    const client = await broker.connect();
    const answers = flood(client, "slow.echo", 25_000);
    await vi.waitFor(async () => expect(await waiting(handle, "slow")).toBe(LIMIT), PATIENTLY);
    expect(await settledAt(handle, "slow")).toBe(LIMIT);
    await defer(handle, "slow", false);
    expect(await Promise.all(answers)).toEqual(numbers(25_000));
    expect(seen).toEqual(numbers(25_000));
    expect(broker.pendingRequests).toBe(0);
  });

  test("has whoever floods it wait, which module.list shows as requests that were received and not taken", async () => {
    const { handle } = await startBroker({
      slow: echo(),
      keen: async (h) => {
        h.handle(
          "flood",
          async ({ payload }) => (await Promise.all(flood(h, "slow.echo", Number(payload)))).length,
        );
        await h.run();
      },
    });
    await load(handle, "slow", "keen");
    await defer(handle, "slow", true);
    const flooded = handle.rpc("keen.flood", LIMIT + 500);
    await vi.waitFor(async () => {
      expect(await queues(handle, "slow")).toEqual({ sendq: LIMIT, recvq: 0 });
      expect(await queues(handle, "keen")).toEqual({ sendq: 0, recvq: 500 });
    }, PATIENTLY);
    await defer(handle, "slow", false);
    expect(await flooded).toBe(LIMIT + 500);
    expect((await queues(handle, "keen")).recvq).toBe(0);
  });

  test("has 64 MiB waiting for it and no more, which is one message over at most", async () => {
    const { broker, handle } = await startBroker({ slow: echo() });
    await load(handle, "slow");
    await defer(handle, "slow", true);
    const clients = await Promise.all([broker.connect(), broker.connect(), broker.connect()]);
    const bytes = new Uint8Array(4 * MIB);
    const answers = clients.flatMap((client) =>
      Array.from({ length: 16 }, () => client.rpc("slow.echo", bytes)),
    );
    await vi.waitFor(async () => expect(await waiting(handle, "slow")).toBe(16), PATIENTLY);
    expect(await settledAt(handle, "slow")).toBe(16);
    await defer(handle, "slow", false);
    expect(await outcomes(answers)).toEqual({ answered: 48 });
  });

  test("holds up nobody but those who ask it: others are served, and a sender that waits still answers", async () => {
    const { broker, handle } = await startBroker({
      slow: echo(),
      quick: echo(),
      sender: async (h) => {
        h.handle("flood", (request) => {
          void Promise.allSettled(flood(h, "slow.echo", request.payload as number));
          return null;
        });
        h.handle("echo", (request) => request.payload);
        await h.run();
      },
    });
    await load(handle, "slow", "quick", "sender");
    await defer(handle, "slow", true);
    await handle.rpc("sender.flood", 30_000);
    await vi.waitFor(async () => expect(await waiting(handle, "slow")).toBe(LIMIT), PATIENTLY);
    const client = await broker.connect();
    expect(await outcomes(flood(client, "quick.echo", 20_000))).toEqual({ answered: 20_000 });
    expect(await outcomes(flood(client, "sender.echo", 20_000))).toEqual({ answered: 20_000 });
    // Neither does waiting keep it from ending in order.
    await handle.rpc("module.remove", { name: "sender" });
    await defer(handle, "slow", false);
    await vi.waitFor(() => expect(broker.pendingRequests).toBe(0), PATIENTLY);
  });

  test("is asked by those who wait for it in turn", async () => {
    const seen: Payload[] = [];
    const { broker, handle } = await startBroker({ slow: echo(seen) });
    await load(handle, "slow");
    await defer(handle, "slow", true);
    const [greedy, modest] = await Promise.all([broker.connect(), broker.connect()]);
    const first = flood(greedy, "slow.echo", 30_000);
    await vi.waitFor(async () => expect(await waiting(handle, "slow")).toBe(LIMIT), PATIENTLY);
    const asked = modest.rpc("slow.echo", "modest");
    await defer(handle, "slow", false);
    await asked;
    // Behind what waited, and at most a turn of the other.
    expect(seen.indexOf("modest")).toBeLessThan(3 * LIMIT);
    expect(await outcomes(first)).toEqual({ answered: 30_000 });
  });

  test("lets those go on who waited for it when it dies, with its name", async () => {
    const { broker, handle, loader } = await startBroker({ slow: echo(), quick: echo() });
    await handle.rpc("attr.set", { name: "broker.module-nopanic", value: "1" });
    await load(handle, "slow", "quick");
    await defer(handle, "slow", true);
    const client = await broker.connect();
    const doomed = outcomes(flood(client, "slow.echo", 25_000));
    const after = client.rpc("quick.echo", "after");
    await vi.waitFor(async () => expect(await waiting(handle, "slow")).toBe(LIMIT), PATIENTLY);
    loader.crash("slow", "killed by Killed");
    expect(await after).toBe("after");
    expect(await doomed).toEqual({ [ERRNO.ECONNRESET]: LIMIT, [ERRNO.ENOSYS]: 15_000 });
    expect(broker.pendingRequests).toBe(0);
  });

  test("is not failed by an event for what others ask of it", async () => {
    const { broker, handle, log } = await startBroker({
      slow: async (h) => {
        await h.subscribe("news", () => undefined);
        await echo()(h);
      },
    });
    await load(handle, "slow");
    await defer(handle, "slow", true);
    const client = await broker.connect();
    const answers = flood(client, "slow.echo", 15_000);
    for (let n = 0; n < 5000; n++) client.notify("slow.echo", n);
    await vi.waitFor(async () => expect(await waiting(handle, "slow")).toBe(LIMIT), PATIENTLY);
    for (let n = 0; n < 100; n++) await handle.publish("news", n);
    await defer(handle, "slow", false);
    expect(await outcomes(answers)).toEqual({ answered: 15_000 });
    expect(log.filter(({ level }) => level === "crit")).toEqual([]);
  });

  test("and subscribes is failed with ENOBUFS once 10,000 events wait; publishers and other subscribers go on", async () => {
    const got: Payload[] = [];
    const { broker, handle, log } = await startBroker({
      deaf: async (h) => {
        await h.subscribe("news", () => undefined);
        await h.run();
      },
    });
    await handle.rpc("attr.set", { name: "broker.module-nopanic", value: "1" });
    await load(handle, "deaf");
    await handle.subscribe("news", ({ payload }) => got.push(payload));
    await defer(handle, "deaf", true);
    const publisher = await broker.connect();
    for (let n = 0; n < LIMIT; n++) void publisher.publish("news", n);
    await publisher.rpc("broker.ping");
    expect(await waiting(handle, "deaf")).toBe(LIMIT);
    await publisher.publish("news", LIMIT);
    await vi.waitFor(async () => expect(await waiting(handle, "deaf")).toBe(-1), PATIENTLY);
    await publisher.publish("news", LIMIT + 1);
    expect(got).toEqual(numbers(LIMIT + 2));
    const failures = log.filter(({ level }) => level === "crit").map(({ text }) => text);
    expect(failures).toEqual([expect.stringContaining("deaf module runtime failure")]);
    expect(failures[0]).toContain(`deaf has not read the ${LIMIT} messages`);
  });
});

/** A module that asks another as fast as it can, for as long as it is told to. */
function flooder(target: string) {
  return async (h: Handle): Promise<void> => {
    let answered = 0;
    h.handle("echo", (request) => request.payload);
    h.handle("answered", () => answered);
    h.handle("flood", async (request) => {
      const answers = flood(h, `${target}.echo`, request.payload as number);
      for (const answer of answers) void answer.then(() => (answered += 1)).catch(() => undefined);
      return (await outcomes(answers))["answered"] ?? 0;
    });
    await h.run();
  };
}

describe("modules that flood", () => {
  test("each other both get their answers", async () => {
    const { broker, handle } = await startBroker({ a: flooder("b"), b: flooder("a") });
    await load(handle, "a", "b");
    const floods = [handle.rpc("a.flood", 30_000), handle.rpc("b.flood", 30_000)];
    expect(await Promise.all(floods)).toEqual([30_000, 30_000]);
    expect(broker.pendingRequests).toBe(0);
  });

  test("each other while neither reads go on where they were once both do", async () => {
    const { broker, handle } = await startBroker({ a: flooder("b"), b: flooder("a") });
    await load(handle, "a", "b");
    const floods = [handle.rpc("a.flood", 50_000), handle.rpc("b.flood", 50_000)];
    // Behind the requests to flood, so that both have begun.
    await Promise.all([handle.rpc("a.answered"), handle.rpc("b.answered")]);
    await Promise.all([defer(handle, "a", true), defer(handle, "b", true)]);
    // What they had been given as answers waits as well, and then they are not heard themselves.
    await vi.waitFor(
      async () =>
        expect(Math.max(await waiting(handle, "a"), await waiting(handle, "b"))).toBeGreaterThanOrEqual(
          LIMIT,
        ),
      PATIENTLY,
    );
    await Promise.all([defer(handle, "a", false), defer(handle, "b", false)]);
    expect(await Promise.all(floods)).toEqual([50_000, 50_000]);
    expect(broker.pendingRequests).toBe(0);
  });

  test("themselves get their answers", async () => {
    const { broker, handle } = await startBroker({ a: flooder("a") });
    await load(handle, "a");
    expect(await handle.rpc("a.flood", 30_000)).toBe(30_000);
    expect(broker.pendingRequests).toBe(0);
  });
});

/** A broker with its socket. */
async function withSocket(
  mains: Parameters<typeof startBroker>[0],
  options: BrokerOptions = {},
): Promise<TestBroker> {
  const base = mkdtempSync(join(tmpdir(), "sluice-pressure-test-"));
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  return startBroker(mains, { socket: true, env: { XDG_RUNTIME_DIR: base }, ...options });
}

/** A client that speaks the wire form by hand, and reads nothing until it is told to. */
class RawClient {
  readonly socket: Socket;
  readonly got: Message[] = [];
  readonly #decoder = new FrameDecoder();

  constructor(uri: string | undefined) {
    this.socket = createConnection((uri ?? "").replace("local://", ""));
    onTestFinished(() => void this.socket.destroy());
    this.socket.on("error", () => this.socket.destroy());
    this.socket.pause();
  }

  send(request: Partial<RequestMessage> & { readonly topic: string }): void {
    this.socket.write(
      encodeMessage({ type: "request", matchtag: 1, flags: 0, nodeid: "any", route: [], ...request }),
    );
  }

  read(): void {
    this.socket.on("data", (chunk) => this.#decoder.push(chunk, (message) => this.got.push(message)));
    this.socket.resume();
  }
}

describe("a client on the socket", () => {
  test("that does not read its responses is not heard any more, until it does", async () => {
    let asked = 0;
    const { broker, handle } = await withSocket({
      svc: async (h) => {
        h.handle("ask", () => (asked += 1));
        await h.run();
      },
    });
    await load(handle, "svc");
    const client = new RawClient(broker.uri);
    const count = 60_000;
    for (let matchtag = 1; matchtag <= count; matchtag++) client.send({ topic: "svc.ask", matchtag });
    // What it asks comes to a stop long before all is asked: its responses wait, and then its requests.
    await vi.waitFor(() => expect(asked).toBeGreaterThan(LIMIT), PATIENTLY);
    for (let before = -1; before !== asked;) {
      before = asked;
      for (let n = 0; n < 100; n++) await handle.rpc("svc.ask");
      before += 100;
    }
    expect(asked).toBeLessThan(count / 2);
    client.read();
    const answered = (): number => client.got.filter(({ type }) => type === "response").length;
    // Not of the messages themselves: an assertion that fails would describe them all each time.
    await vi.waitFor(() => expect(answered()).toBe(count), { interval: 20, timeout: 120_000 });
    expect(broker.pendingRequests).toBe(0);
  });

  test("that does not read the events it wants is disconnected, with a line in the log", async () => {
    const { broker, handle, logged } = await withSocket({});
    const client = new RawClient(broker.uri);
    const closed = new Promise<void>((resolve) => client.socket.once("close", () => resolve()));
    client.send({ topic: "event.subscribe", payload: '{"topic":"*"}' });
    let isCut = false as boolean;
    const cut = logged(" disconnected").then((entry) => {
      isCut = true;
      return entry;
    });
    const payload = "x".repeat(1000);
    for (let n = 0; n < 50_000 && !isCut; n++) await handle.publish("news", payload);
    expect(await cut).toMatchObject({
      level: "err",
      text: expect.stringContaining("has not read the") as string,
    });
    client.read();
    await closed;
    expect(broker.pendingRequests).toBe(0);
  });

  test("that does not read a stream without end is disconnected, and the stream ends", async () => {
    let hasEnded = false;
    const { broker, handle, logged } = await withSocket({
      source: async (h) => {
        h.handle("stream", async function* () {
          const chunk = new Uint8Array(MIB);
          try {
            for (;;) yield await Promise.resolve(chunk);
          } finally {
            hasEnded = true;
          }
        });
        await h.run();
      },
    });
    await load(handle, "source");
    const client = new RawClient(broker.uri);
    client.send({ topic: "source.stream", flags: FLAG.streaming });
    expect(await logged(" disconnected")).toMatchObject({ level: "err" });
    await vi.waitFor(() => expect(hasEnded).toBe(true), PATIENTLY);
    expect(await handle.rpc("source.ping", 1)).toBe(1);
    expect(broker.pendingRequests).toBe(0);
  });

  test("that goes away while it waits leaves nothing: what it had sent is delivered", async () => {
    const seen: Payload[] = [];
    const { broker, handle } = await withSocket({ slow: echo(seen) });
    await load(handle, "slow");
    await defer(handle, "slow", true);
    const filler = await broker.connect();
    const answers = flood(filler, "slow.echo", LIMIT);
    await vi.waitFor(async () => expect(await waiting(handle, "slow")).toBe(LIMIT), PATIENTLY);
    const client = new RawClient(broker.uri);
    for (let n = 0; n < 3; n++)
      client.send({ topic: "slow.echo", flags: FLAG.noresponse, matchtag: 0, payload: `"${n}"` });
    client.socket.end();
    client.read();
    await new Promise((resolve) => client.socket.once("close", resolve));
    // The requests and the notice that it is gone.
    await vi.waitFor(async () => expect(await waiting(handle, "slow")).toBe(LIMIT + 4), PATIENTLY);
    await defer(handle, "slow", false);
    expect(await outcomes(answers)).toEqual({ answered: LIMIT });
    expect(seen.slice(LIMIT)).toEqual(["0", "1", "2"]);
  });
});

test("requests held for a module that is being reloaded take 64 MiB, and then their senders wait", async () => {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const { broker, handle, loader } = await startBroker({ svc: echo() });
  await load(handle, "svc");
  loader.set("svc", async (h) => {
    await opened;
    await echo()(h);
  });
  const reload = handle.rpc("module.reload", { name: "svc" });
  await handle.rpc("broker.ping");
  const client = await broker.connect();
  const bytes = new Uint8Array(4 * MIB);
  const answers = Array.from({ length: 40 }, () => client.rpc("svc.echo", bytes));
  await vi.waitFor(async () => expect(await waiting(handle, "svc")).toBeGreaterThanOrEqual(16), {
    interval: 1,
    timeout: 30_000,
  });
  expect(await settledAt(handle, "svc")).toBeLessThanOrEqual(17);
  open();
  await reload;
  expect(await outcomes(answers)).toEqual({ answered: 40 });
  expect(broker.pendingRequests).toBe(0);
});

/** What ranks over NATS servers live through. */
import { describe, expect, onTestFinished, test } from "vitest";
import { natsOverlay, parseNatsServers } from "../../../src/broker/index.js";
import { ERRNO } from "../../../src/errors/index.js";
import type { Event, Handle } from "../../../src/messages/index.js";
import { detourTo, natsCluster, type NatsServer, startNats } from "../../helpers/nats.js";
import { presentRanks } from "../support/ranks-of-a-test.js";
import { startBroker, type TestBroker } from "../support/start-broker.js";

const PATIENTLY = { interval: 5, timeout: 120_000 };

async function server(options: Parameters<typeof startNats>[0] = {}): Promise<NatsServer> {
  const started = await startNats(options);
  onTestFinished(() => started.kill());
  return started;
}

/** Servers that know each other, as those of three hosts. */
async function cluster(): Promise<NatsServer[]> {
  const all = await natsCluster();
  for (const one of all) onTestFinished(() => one.kill());
  return all;
}

interface Options {
  readonly servers: readonly Pick<NatsServer, "url">[];
  readonly attributes?: Readonly<Record<string, string>>;
  readonly retryMs?: number;
}

async function echo(h: Handle): Promise<void> {
  let count = 0;
  h.handle("echo", (request) => {
    count += 1;
    return request.payload;
  });
  h.handle("count", () => count);
  h.handle("never", () => undefined);
  await h.run();
}

async function startRank(rank: number, size: number, { servers, attributes = {}, retryMs = 100 }: Options) {
  const { overlay } = await natsOverlay({
    servers: parseNatsServers(servers.map(({ url }) => url).join(",")),
    instance: "faults",
    rank,
    size,
    connectTimeoutMs: 5000,
    joinTimeoutMs: 10_000,
    silenceMs: 1000,
    leaseMs: 2000,
    retryMs,
  });
  const broker = await startBroker({ echo }, { overlay, attributes });
  await broker.handle.rpc("module.load", { path: "/mem/echo" });
  return broker;
}

/** Ranks that may connect to any of the servers. */
async function startRanks(size: number, options: Options): Promise<TestBroker[]> {
  const ranks = await Promise.all(Array.from({ length: size }, (_, rank) => startRank(rank, size, options)));
  await Promise.all(ranks.map(({ broker }) => presentRanks(broker, size - 1)));
  return ranks;
}

function rankOf<T>(ranks: readonly T[], rank: number): T {
  const found = ranks[rank];
  if (found === undefined) throw new Error(`there is no rank ${rank}`);
  return found;
}

/** The server that a rank is connected to: the first that answered. */
function serverOf({ log }: TestBroker, servers: readonly NatsServer[]): NatsServer {
  const last = log.findLast(({ text }) => text.startsWith("connected to the NATS server"));
  const found = servers.find(({ port }) => last?.text.endsWith(`:${port}`));
  if (found === undefined) throw new Error("it is connected to one");
  return found;
}

/** All events of the topic that a rank receives. */
async function received({ handle }: TestBroker): Promise<Event[]> {
  const events: Event[] = [];
  await handle.subscribe("load.*", (event) => events.push(event));
  return events;
}

/** Asks ranks all the time, one after the other, until it is stopped. */
function keepAsking(from: TestBroker, to: readonly number[]): { stop: () => Promise<number> } {
  let isStopped = false;
  const isOver = (): boolean => isStopped;
  let count = 0;
  const asking = (async () => {
    for (;;) {
      if (isOver()) return;
      const rank = to[count % to.length];
      expect(await from.handle.rpc("echo.echo", count, { rank: rank ?? 0 })).toBe(count);
      count += 1;
    }
  })();
  // What became of it is said when it is stopped.
  asking.catch(() => undefined);
  return {
    stop: async () => {
      isStopped = true;
      await asking;
      return count;
    },
  };
}

describe("the death of a server", () => {
  test("loses no request, and does none twice, when another server takes its place", async () => {
    const first = await server();
    const [zero, one] = await startRanks(2, { servers: [first] });
    if (zero === undefined || one === undefined) throw new Error("two were started");
    const asked = [keepAsking(zero, [1]), keepAsking(one, [0])];
    const waiting = zero.handle.rpc("echo.never", {}, { rank: 1 });
    waiting.catch(() => undefined);
    for (let n = 0; n < 3; n++) {
      await first.kill();
      const other = await server({ port: first.port });
      await zero.logged("disconnected from the NATS server");
      // Both ways.
      for (const [from, to] of [
        [zero, 1],
        [one, 0],
      ] as const) {
        expect(await from.handle.rpc("echo.echo", n, { rank: to })).toBe(n);
      }
      if (n < 2) await other.kill();
    }
    const [fromZero = 0, fromOne = 0] = await Promise.all(asked.map(({ stop }) => stop()));
    // And three of each beside them.
    expect(await one.handle.rpc("echo.count")).toBe(fromZero + 3);
    expect(await zero.handle.rpc("echo.count")).toBe(fromOne + 3);
    // What waits for an answer still does.
    expect(zero.broker.pendingRequests).toBe(1);
  });

  test("in a cluster leaves 20,000 events from four ranks in one order on all eight, without a gap", async () => {
    const EACH = 5000;
    const servers = await cluster();
    const ranks = await startRanks(8, { servers });
    const heard = await Promise.all(ranks.map(received));
    const publishers = [0, 1, 4, 7].map((rank) => publishAll(rankOf(ranks, rank), `load.r${rank}`, EACH));
    await expect.poll(() => heard[0]?.length ?? 0, PATIENTLY).toBeGreaterThan(4000);
    await serverOf(rankOf(ranks, 0), servers).kill();
    await Promise.all(publishers);
    for (const events of heard) await expect.poll(() => events.length, PATIENTLY).toBe(4 * EACH);
    const seqs = (heard[0] ?? []).map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from({ length: 4 * EACH }, (_, n) => n + 1));
    const order = JSON.stringify(heard[0]);
    for (const events of heard) expect(JSON.stringify(events) === order).toBe(true);
  });
});

describe("a frozen server", () => {
  test("is left for another one; what it sends late, when it goes on, is dropped", async () => {
    const servers = await cluster();
    const ranks = await startRanks(3, { servers, attributes: { "overlay.heartbeat-period": "60s" } });
    const heard = await Promise.all(ranks.map(received));
    const asked = ranks.map((rank, n) =>
      keepAsking(
        rank,
        [0, 1, 2].filter((to) => to !== n),
      ),
    );
    const frozen = serverOf(rankOf(ranks, 1), servers);
    const before = rankOf(ranks, 1).log.length;
    frozen.signal("SIGSTOP");
    await expect
      .poll(() => rankOf(ranks, 1).log.slice(before), PATIENTLY)
      .toContainEqual(
        expect.objectContaining({ text: expect.stringMatching(/^connected to the NATS server/) as string }),
      );
    for (let n = 0; n < 100; n++) await rankOf(ranks, n % 3).handle.publish("load.n", n);
    frozen.signal("SIGCONT");
    for (let n = 100; n < 200; n++) await rankOf(ranks, n % 3).handle.publish("load.n", n);
    for (const { stop } of asked) expect(await stop()).toBeGreaterThan(0);
    const numbers = Array.from({ length: 200 }, (_, n) => n);
    for (const events of heard) {
      await expect.poll(() => events.length, PATIENTLY).toBe(200);
      expect(events.map(({ payload }) => payload)).toEqual(numbers);
    }
  });
});

describe("a rank that has missed", () => {
  /** Two ranks, and a way to cut the second one off while rank 0 publishes. */
  async function missing(
    count: number,
    bytes: number,
    more: Readonly<Record<string, string>> = {},
  ): Promise<{ zero: TestBroker; one: TestBroker; heard: Event[]; heal: () => void }> {
    const { port, url } = await server();
    const wire = await detourTo(port);
    onTestFinished(() => wire.close());
    const attributes = { "overlay.heartbeat-period": "60s", ...more };
    const zero = await startRank(0, 2, { servers: [{ url }], attributes });
    const one = await startRank(1, 2, { servers: [{ url: `nats://127.0.0.1:${wire.port}` }], attributes });
    await presentRanks(zero.broker, 1);
    const heard = await received(one);
    wire.cut();
    await one.logged("disconnected from the NATS server");
    const payload = new Uint8Array(bytes);
    for (let n = 0; n < count; n++) await zero.handle.publish(`load.n${n}`, payload);
    return { zero, one, heard, heal: () => wire.heal() };
  }

  test("less than 64 MiB of events gets all of them, in order", async () => {
    const { heard, heal } = await missing(60, 1_000_000);
    heal();
    await expect.poll(() => heard.length, PATIENTLY).toBe(60);
    expect(heard.map(({ topic }) => topic)).toEqual(Array.from({ length: 60 }, (_, n) => `load.n${n}`));
  });

  test.each([
    ["by default", 70, 1_000_000, {}],
    ["as the site wants it", 7, 100_000, { "overlay.kept-events": "500000" }],
  ] as const)("more than rank 0 keeps %s logs it, and stays", async (_, count, bytes, attributes) => {
    const { zero, one, heard, heal } = await missing(count, bytes, attributes);
    const client = await one.broker.connect();
    const own = client.publish("own.event");
    heal();
    expect(await own).toBe(count + 1);
    const why = "this rank has missed events after 0, because rank 0 no longer keeps them all";
    expect(await one.logged(`${why} (overlay.kept-events)`)).toMatchObject({ level: "err" });
    // Its client had no notice of the end.
    expect(await one.handle.closed).toMatchObject({ errnum: ERRNO.ENODATA });
    const next = new Promise<Event>((resolve) => void client.subscribe("load.*", resolve));
    expect(await client.rpc("echo.echo", 1, { rank: 0 })).toBe(1);
    const seq = await zero.handle.publish("load.next", "x");
    expect(await next).toEqual({ topic: "load.next", payload: "x", seq });
    expect(heard).toEqual([]);
  });
});

describe("a link that is cut", () => {
  test("makes a rank stalled after three missed heartbeats, and it has missed nothing when it heals", async () => {
    const { port } = await server();
    const wire = await detourTo(port);
    onTestFinished(() => wire.close());
    const attributes = { "overlay.heartbeat-period": "300ms" };
    const direct = { servers: [{ url: `nats://127.0.0.1:${port}` }], attributes };
    const zero = await startRank(0, 3, direct);
    const one = await startRank(1, 3, direct);
    const two = await startRank(2, 3, { servers: [{ url: `nats://127.0.0.1:${wire.port}` }], attributes });
    await Promise.all([zero, one, two].map(({ broker }) => presentRanks(broker, 2)));
    const heard = await received(two);
    const lost = { errnum: ERRNO.EHOSTUNREACH, message: expect.stringContaining("rank 2") as string };
    const underWay = [zero, one].map(({ handle }) => handle.rpc("echo.never", {}, { rank: 2 }));
    wire.cut();
    for (const request of underWay) await expect(request).rejects.toMatchObject(lost);
    await expect(one.handle.rpc("echo.echo", 1, { rank: 2 })).rejects.toMatchObject(lost);
    await expect(two.handle.rpc("echo.echo", 1, { rank: 1 })).rejects.toMatchObject({
      errnum: ERRNO.EHOSTUNREACH,
    });
    for (let n = 0; n < 1000; n++) await one.handle.publish("load.n", n);
    wire.heal();
    await expect.poll(() => heard.length, PATIENTLY).toBe(1000);
    expect(heard.map(({ payload }) => payload)).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    await zero.logged("rank 2 sends heartbeats again");
    expect(await zero.handle.rpc("echo.echo", 7, { rank: 2 })).toBe(7);
    await one.logged("rank 2 sends heartbeats again");
    expect(await one.handle.rpc("echo.echo", 7, { rank: 2 })).toBe(7);
  });
});

test("trap-F7 EHOSTUNREACH comes at once for no member; for a rank that connects anew the hop is tried again", async () => {
  const { port, url } = await server();
  const wire = await detourTo(port);
  onTestFinished(() => wire.close());
  const zero = await startRank(0, 3, { servers: [{ url }], retryMs: 60_000 });
  const one = await startRank(1, 3, { servers: [{ url: `nats://127.0.0.1:${wire.port}` }], retryMs: 60_000 });
  await presentRanks(zero.broker, 1);
  expect(await zero.handle.rpc("echo.echo", 1, { rank: 1 })).toBe(1);
  await expect(zero.handle.rpc("echo.echo", 1, { rank: 2 })).rejects.toMatchObject({
    errnum: ERRNO.EHOSTUNREACH,
  });
  wire.cut();
  // The server knows at once that it has no receiver, and says so; nothing else would have it sent again.
  const answer = zero.handle.rpc("echo.echo", 2, { rank: 1 });
  wire.heal();
  expect(await answer).toBe(2);
  await one.broker.close();
  await presentRanks(zero.broker, 0);
  await expect(zero.handle.rpc("echo.echo", 1, { rank: 1 })).rejects.toMatchObject({
    errnum: ERRNO.EHOSTUNREACH,
  });
});

describe("payloads over the server's max_payload", () => {
  test("of 64 KiB arrive whole, as requests, responses and events", async () => {
    const small = await server({ lines: ["max_payload: 65536"] });
    const ranks = await startRanks(3, { servers: [small] });
    const bytes = new Uint8Array(5_000_000).map((_, i) => i % 251);
    for (const [from, to] of [
      [0, 1],
      [1, 0],
      [1, 2],
    ] as const) {
      const back = await rankOf(ranks, from).handle.rpc("echo.echo", bytes, { rank: to });
      expect(back instanceof Uint8Array && Buffer.compare(back, bytes)).toBe(0);
    }
    const heard = await Promise.all(ranks.map(received));
    await rankOf(ranks, 1).handle.publish("load.big", bytes);
    await rankOf(ranks, 2).handle.publish("load.small", 1);
    for (const events of heard) {
      await expect.poll(() => events.length, PATIENTLY).toBe(2);
      const [big, after] = events;
      expect(big?.payload instanceof Uint8Array && Buffer.compare(big.payload, bytes)).toBe(0);
      expect(after?.payload).toBe(1);
    }
  });

  test("that are under way fit when the next server allows less", async () => {
    const first = await server();
    const [zero, one] = await startRanks(2, { servers: [first] });
    if (zero === undefined || one === undefined) throw new Error("two were started");
    await first.kill();
    const bytes = new Uint8Array(3_000_000).map((_, i) => i % 241);
    const answer = zero.handle.rpc("echo.echo", bytes, { rank: 1 });
    await server({ port: first.port, lines: ["max_payload: 65536"] });
    const back = await answer;
    expect(back instanceof Uint8Array && Buffer.compare(back, bytes)).toBe(0);
  });
});

/** Publishes with up to a hundred under way. */
async function publishAll({ handle }: TestBroker, topic: string, count: number): Promise<void> {
  const seqs: Promise<number>[] = [];
  for (let n = 0; n < count; n++) {
    seqs.push(handle.publish(topic, n));
    if (n >= 100) await seqs[n - 100];
  }
  await Promise.all(seqs);
}

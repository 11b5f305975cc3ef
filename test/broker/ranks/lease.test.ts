/** Who leads an instance over NATS servers with JetStream, and what ranks live through when that changes. */
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import {
  natsOverlay,
  type NatsOverlayOptions,
  type Overlay,
  parseNatsServers,
} from "../../../src/broker/index.js";
import { JetStream } from "../../../src/nats/index.js";
import { Lease, LEASE_CLOCK } from "../../../src/broker/ranks/lease.js";
import { ERRNO } from "../../../src/errors/index.js";
import type { Event, Handle } from "../../../src/messages/index.js";
import { detourTo, natsCluster, type NatsServer, startNats } from "../../helpers/nats.js";
import { presentRanks } from "../support/ranks-of-a-test.js";
import { startBroker, type TestBroker } from "../support/start-broker.js";

const PATIENTLY = { interval: 10, timeout: 40_000 };

/** Short, and long enough for a busy machine. */
const LEASE_MS = 4000;
const ATTRIBUTES = { "overlay.heartbeat-period": "500ms", "overlay.lost-after": "20s" };

let opened: Overlay[] = [];
beforeEach(() => {
  opened = [];
});
afterEach(async () => {
  await Promise.all(opened.map((overlay) => overlay.close()));
});

async function server(options: Parameters<typeof startNats>[0] = {}): Promise<NatsServer> {
  const started = await startNats({ jetStream: true, ...options });
  onTestFinished(() => started.kill());
  return started;
}

async function echo(h: Handle): Promise<void> {
  h.handle("echo", (request) => request.payload);
  h.handle("never", () => undefined);
  await h.run();
}

async function join(url: string, rank: number, options: Partial<NatsOverlayOptions> = {}): Promise<Overlay> {
  const { overlay } = await natsOverlay({
    servers: parseNatsServers(url),
    instance: "leases",
    ...{ rank, size: 3, connectTimeoutMs: 10_000, joinTimeoutMs: 30_000, silenceMs: 1500 },
    ...{ retryMs: 200, leaseMs: LEASE_MS },
    ...options,
  });
  opened.push(overlay);
  return overlay;
}

async function startRank(
  url: string,
  rank: number,
  options: Partial<NatsOverlayOptions> = {},
): Promise<TestBroker> {
  const overlay = await join(url, rank, options);
  const broker = await startBroker({ echo }, { overlay, attributes: ATTRIBUTES });
  await broker.handle.rpc("module.load", { path: "/mem/echo" });
  return broker;
}

/** Rank 0 by way of a wire that the test can cut, the others, and a standby that waits. */
async function instance() {
  const { url, port } = await server();
  const wire = await detourTo(port);
  onTestFinished(() => wire.close());
  const zero = await startRank(`nats://127.0.0.1:${wire.port}`, 0);
  const [one, two] = await Promise.all([startRank(url, 1), startRank(url, 2)]);
  await Promise.all([zero, one, two].map(({ broker }) => presentRanks(broker, 2)));
  let standby: Promise<TestBroker> | undefined;
  const waits = new Promise<string>((resolve) => {
    standby = startRank(url, 0, { standby: true, onWaiting: resolve });
  });
  if (standby === undefined) throw new Error("it was started");
  // What became of it is for the test to ask.
  standby.catch(() => undefined);
  expect(await waits).toMatch(/^waits for the lease of rank 0, which a broker on host .* holds$/);
  await Promise.all([one, two].map((rank) => rank.logged("another broker waits to take over as rank 0")));
  return { url, wire, zero, one, two, standby };
}

describe("a standby", () => {
  test("takes over from a rank 0 that is cut off: numbers go on, ranks keep what they have, requests to rank 0 wait", async () => {
    const { wire, zero, one, two, standby } = await instance();
    const heard = await Promise.all([zero, one, two].map(received));
    for (let n = 0; n < 5; n++) await zero.handle.publish("load.before", n);
    await expect.poll(() => heard.map((events) => events.length)).toEqual([5, 5, 5]);
    const between = one.handle.rpc("echo.never", {}, { rank: 2 });
    let isBetweenOver = false;
    between.catch(() => undefined).finally(() => (isBetweenOver = true));
    wire.cut();
    const published = Array.from({ length: 20 }, (_, n) => two.handle.publish("load.during", n));
    await one.logged("rank 0 is stalled");
    const waiting = one.handle.rpc("broker.ping", "still there", { rank: 0 });
    const next = await standby;
    expect(await waiting).toBe("still there");
    const seqs = await Promise.all(published);
    await one.handle.publish("load.after");
    const numbers = Array.from({ length: 26 }, (_, n) => n + 1);
    for (const events of heard.slice(1)) {
      await expect.poll(() => events.length, PATIENTLY).toBe(26);
      expect(events.map(({ seq }) => seq)).toEqual(numbers);
    }
    expect(heard[1]).toEqual(heard[2]);
    expect(seqs).toEqual(numbers.slice(5, 25));
    expect(isBetweenOver).toBe(false);
    expect(await one.handle.rpc("echo.echo", 1, { rank: 2 })).toBe(1);
    // The former one numbers nothing, also when it is back.
    await expect(zero.handle.publish("load.late")).rejects.toMatchObject({ errnum: ERRNO.EHOSTUNREACH });
    wire.heal();
    await zero.logged("this broker no longer leads");
    await expect(zero.handle.publish("load.late")).rejects.toMatchObject({ errnum: ERRNO.EHOSTUNREACH });
    expect(next.broker.roster.present).toEqual(new Set([1, 2]));
  });
});

describe("a rank that the next leader asks", () => {
  test("names the leader before each time, also when a heartbeat came before the question", async () => {
    const { url } = await server();
    const zero = await startRank(url, 0);
    const one = await startRank(url, 1);
    const connection = await natsConnection(url);
    const next = "0123456789abcdef";
    const reports: string[] = [];
    connection.subscribe("sluice.leases.r.0.1", {
      callback: (_error, message) => {
        const leader = message.headers?.get("leader") ?? "";
        // It also tells the leader before that another one leads.
        if (leader !== "" && !leader.endsWith(next)) reports.push(leader);
      },
    });
    const epochs = (await zero.handle.rpc("overlay.status")) as { epoch: number };
    const send = (more: Readonly<Record<string, string>>): void => {
      const header = headers();
      const lines = { from: next, epoch: String(epochs.epoch + 1), seq: "0", ...more };
      for (const [name, value] of Object.entries(lines)) header.set(name, value);
      connection.publish("sluice.leases.ev", "", { headers: header });
    };
    send({});
    await one.logged("another broker leads as rank 0");
    expect(reports).toEqual([]);
    send({ probe: "1" });
    send({ probe: "1" });
    await expect.poll(() => reports.length, PATIENTLY).toBe(2);
    expect(reports[0]).toMatch(new RegExp(`^${epochs.epoch} [0-9a-f]{16}$`));
    expect(reports[1]).toBe(reports[0]);
  });
});

describe("two ranks 0", () => {
  test("that start at the same instant are decided: one leads, the other is refused with its place", async () => {
    const { url } = await server();
    const tries = await Promise.allSettled(
      Array.from({ length: 4 }, async () => {
        const overlay = await join(url, 0, { silenceMs: 300 });
        return startBroker({}, { overlay, attributes: ATTRIBUTES });
      }),
    );
    const refused = tries.flatMap((tried) => (tried.status === "rejected" ? [tried.reason as unknown] : []));
    expect(refused).toHaveLength(3);
    for (const reason of refused) {
      expect(reason).toMatchObject({
        errnum: ERRNO.EEXIST,
        message: expect.stringMatching(
          /^rank 0 of instance leases already runs: host .*, pid \d+$/,
        ) as string,
      });
    }
  });
});

describe("the lease", () => {
  test("trap-F2 is one broker's when 200 try at once on three servers, each with the epoch after the last", async () => {
    const servers = await natsCluster({ jetStream: true });
    for (const one of servers) onTestFinished(() => one.kill());
    const connections = await Promise.all(servers.map(({ url }) => natsConnection(url)));
    const jetStreams = connections.map((connection) => new JetStream(() => connection, 5000));
    await expect.poll(() => jetStreams[0]?.isOn().catch(() => false), PATIENTLY).toBe(true);
    const epochs: number[] = [];
    let holders = 0;
    const stopped = new AbortController();
    const tries = Array.from({ length: 200 }, async (_, n) => {
      const jetStream = jetStreams[n % 3];
      if (jetStream === undefined) throw new Error("there are three");
      const options = {
        jetStream,
        instance: "many",
        uuid: `uuid-${n}`,
        host: "here",
        ttlMs: 10_000,
        replicas: 3,
      };
      const lease = await Lease.take(
        { ...options, clock: LEASE_CLOCK, log: () => undefined },
        () => Promise.resolve(),
        stopped.signal,
      );
      holders += 1;
      expect(holders).toBe(1);
      expect(lease.isHeld()).toBe(true);
      epochs.push(lease.epoch);
      if (epochs.length === 3) stopped.abort(new Error("enough"));
      holders -= 1;
      await lease.release();
    });
    const outcomes = await Promise.allSettled(tries);
    expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBe(epochs.length);
    expect(epochs.length).toBeGreaterThanOrEqual(3);
  });

  test("trap-F3 is still held when a write of its holder has succeeded and only the answer was lost", async () => {
    const { url } = await server();
    const zero = await startRank(url, 0);
    const connection = await natsConnection(url);
    const jetStream = new JetStream(() => connection, 5000);
    const before = await jetStream.read("sluice-leases", "leader");
    await jetStream.write("sluice-leases", "leader", before?.value ?? new Uint8Array());
    await zero.logged("cannot renew the lease of rank 0");
    await expect
      .poll(async () => (await jetStream.read("sluice-leases", "leader"))?.revision ?? 0, PATIENTLY)
      .toBeGreaterThan((before?.revision ?? 0) + 2);
    expect(await zero.handle.publish("load.n")).toBeGreaterThan(0);
    expect(await zero.handle.rpc("overlay.status")).toMatchObject({ epoch: 1 });
  });

  test("trap-F5 trap-F6 is over when no renewal is accepted, whatever the bucket looks like; it is read from its leader", async () => {
    const { url } = await server();
    const zero = await startRank(url, 0);
    const connection = await natsConnection(url);
    const ask = async (subject: string, payload: unknown = {}): Promise<unknown> => {
      const { data } = await connection.request(subject, JSON.stringify(payload));
      return JSON.parse(Buffer.from(data).toString());
    };
    const info = (await ask("$JS.API.STREAM.INFO.KV_sluice-leases")) as { config: Record<string, unknown> };
    expect(info.config).toMatchObject({ max_age: LEASE_MS * 1e6, num_replicas: 1 });
    expect(info.config["allow_direct"] ?? false).toBe(false);
    await ask("$JS.API.STREAM.UPDATE.KV_sluice-leases", { ...info.config, sealed: true });
    await expect
      .poll(() => zero.handle.publish("load.n").catch((error: unknown) => error), PATIENTLY)
      .toMatchObject({ errnum: ERRNO.EHOSTUNREACH });
    expect(await ask("$JS.API.STREAM.INFO.KV_sluice-leases")).toMatchObject({ state: { messages: 1 } });
  });

  test("trap-F4 that is lost with its bucket under load comes back with a higher epoch, and no event is missing", async () => {
    const { url } = await server();
    const zero = await startRank(url, 0);
    const [one, two] = await Promise.all([startRank(url, 1), startRank(url, 2)]);
    await Promise.all([zero, one, two].map(({ broker }) => presentRanks(broker, 2)));
    const heard = await Promise.all([zero, one, two].map(received));
    const epochOf = (): Promise<unknown> => one.handle.rpc("overlay.status", undefined, { rank: 0 });
    expect(await epochOf()).toMatchObject({ epoch: 1 });
    await deleteBucket(url);
    let count = 0;
    await expect
      .poll(async () => {
        await one.handle.publish("load.n", count);
        count += 1;
        return ((await epochOf()) as { epoch: number }).epoch;
      }, PATIENTLY)
      .toBe(2);
    for (const events of heard) {
      await expect.poll(() => events.length, PATIENTLY).toBe(count);
      expect(events.map(({ payload }) => payload)).toEqual(Array.from({ length: count }, (_, n) => n));
    }
  });

  test("trap-F10 is judged by the larger of both clocks right before each number", async () => {
    const { url } = await server();
    let aheadMs = 0;
    const clock = { monotonic: () => performance.now(), wall: () => Date.now() + aheadMs };
    const zero = await startRank(url, 0, { clock });
    expect(await zero.handle.publish("load.n")).toBeGreaterThan(0);
    aheadMs = LEASE_MS;
    await expect(zero.handle.publish("load.n")).rejects.toMatchObject({ errnum: ERRNO.EHOSTUNREACH });
    // It is renewed by the clocks as they are.
    await expect.poll(() => zero.handle.publish("load.n").catch(() => 0), PATIENTLY).toBeGreaterThan(0);
  });

  test("of a list with several servers is refused, if the server belongs to no cluster", async () => {
    const { url } = await server();
    await expect(join(`${url},nats://127.0.0.1:1`, 0)).rejects.toMatchObject({
      errnum: ERRNO.EINVAL,
      message: expect.stringMatching(
        /belongs to no cluster, which the 2 replicas .* need; list only servers of one/s,
      ) as string,
    });
  });

  test("does without JetStream, except for a standby", async () => {
    const { url } = await server({ jetStream: false });
    const zero = await startRank(url, 0);
    expect(await zero.handle.publish("load.n")).toBe(1);
    await expect(join(url, 0, { standby: true })).rejects.toMatchObject({
      errnum: ERRNO.EINVAL,
      message: "a standby needs JetStream on the NATS servers",
    });
  });
});

async function received({ handle }: TestBroker): Promise<Event[]> {
  const events: Event[] = [];
  await handle.subscribe("load.*", (event) => events.push(event));
  return events;
}

async function deleteBucket(url: string): Promise<void> {
  const connection = await natsConnection(url);
  await connection.request("$JS.API.STREAM.DELETE.KV_sluice-leases");
}

/** Closed when the test ends. */
async function natsConnection(url: string): Promise<NatsConnection> {
  const connection = await connect({ servers: url });
  onTestFinished(() => connection.close());
  return connection;
}

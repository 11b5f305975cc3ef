/** Which broker gets which number, over real servers. */
import { hostname } from "node:os";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { natsOverlay, parseNatsServers } from "../../../src/broker/index.js";
import { ERRNO } from "../../../src/errors/index.js";
import { RankNumbers } from "../../../src/broker/ranks/root/rank-numbers.js";
import { type Detour, detourTo, type NatsServer, startNats } from "../../helpers/nats.js";
import { presentRanks } from "../support/ranks-of-a-test.js";
import { startBroker, type TestBroker } from "../support/start-broker.js";

const PATIENTLY = { interval: 5, timeout: 40_000 };
const SOON_LOST = { "overlay.heartbeat-period": "300ms", "overlay.lost-after": "1500ms" };
/** Its modules have stopped 3.5 s after it has heard rank 0 last. */
const STOPS = { ...SOON_LOST, "overlay.on-lost": "stop", "broker.shutdown-timeout": "1s" };

async function server(options: Parameters<typeof startNats>[0] = {}): Promise<NatsServer> {
  const started = await startNats(options);
  onTestFinished(() => started.kill());
  return started;
}

interface RankOptions {
  readonly url: string;
  readonly rank: number | "auto";
  readonly size?: number;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly joinTimeoutMs?: number;
}

async function startRank(options: RankOptions): Promise<TestBroker> {
  const { url, rank, size, attributes = {}, joinTimeoutMs = 20_000 } = options;
  const { overlay } = await natsOverlay({
    ...{ servers: parseNatsServers(url), instance: "numbers", rank, size, joinTimeoutMs },
    ...{ connectTimeoutMs: 5000, silenceMs: 900, leaseMs: 2000, retryMs: 200 },
  });
  return startBroker({}, { overlay, attributes });
}

/** A way to the server that a test can cut. */
async function wireTo({ port }: NatsServer): Promise<Detour & { readonly url: string }> {
  const wire = await detourTo(port);
  onTestFinished(() => wire.close());
  return { ...wire, url: `nats://127.0.0.1:${wire.port}` };
}

describe("--rank=auto", () => {
  test("trap-F13 ten brokers with one host name get ten ranks, and an eleventh none until one has left", async () => {
    const { url } = await server();
    const zero = await startRank({ url, rank: 0, size: 11 });
    const ten = await Promise.all(Array.from({ length: 10 }, () => startRank({ url, rank: "auto" })));
    const ranks = ten.map(({ broker }) => broker.rank).sort((a, b) => a - b);
    expect(ranks).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    await presentRanks(zero.broker, 10);
    await expect(startRank({ url, rank: "auto", joinTimeoutMs: 1500 })).rejects.toMatchObject({
      errnum: ERRNO.EBUSY,
      message: "no rank of instance numbers is free: all 11 are taken",
    });
    const late = startRank({ url, rank: "auto" });
    const leaving = ten.find(({ broker }) => broker.rank === 7);
    await leaving?.broker.close();
    expect((await late).broker.rank).toBe(7);
  });

  test("waits for rank 0 to be there, and says so when it does not come", async () => {
    const { url } = await server();
    const early = startRank({ url, rank: "auto" });
    await startRank({ url, rank: 0, size: 2 });
    expect((await early).broker.rank).toBe(1);
    const other = await server();
    await expect(startRank({ url: other.url, rank: "auto", joinTimeoutMs: 1000 })).rejects.toMatchObject({
      errnum: ERRNO.EHOSTUNREACH,
      message: "rank 0 of instance numbers has not answered within 1 s",
    });
  });

  test("is refused with the credentials of one rank, and rank 0 leads without the right to give numbers", async () => {
    const rights = (rank: number, more: string): string =>
      `{ user: r${rank}, password: p, permissions: { publish: [ "sluice.numbers.r.*.${rank}"${more} ], ` +
      `subscribe: [ "sluice.numbers.r.${rank}.>", "sluice.numbers.ev", "_INBOX_r${rank}.>" ] } }`;
    const users = [rights(0, ', "sluice.numbers.ev"'), rights(1, "")].join(", ");
    const { port } = await server({ lines: [`authorization { users: [ ${users} ] }`] });
    const as = (rank: number): string => `nats://r${rank}:p@127.0.0.1:${port}`;
    const zero = await startRank({ url: as(0), rank: 0, size: 2 });
    await expect(startRank({ url: as(1), rank: "auto" })).rejects.toMatchObject({
      errnum: ERRNO.EACCES,
      message: expect.stringContaining("--rank=auto needs a NATS user with the rights of any rank") as string,
    });
    const one = await startRank({ url: as(1), rank: 1 });
    expect(await one.handle.rpc("broker.ping", 5, { rank: 0 })).toBe(5);
    expect(zero.log.filter(({ level }) => level === "err")).toEqual([]);
  });

  test("gives the lowest free number of those that the host has had, the same one however often it is asked", () => {
    const host = fc.constantFrom("a", "b", "c");
    const had = fc.array(fc.record({ rank: fc.integer({ min: 1, max: 8 }), host }), { maxLength: 12 });
    const there = fc.uniqueArray(fc.integer({ min: 1, max: 8 }));
    fc.assert(
      fc.property(had, there, host, (before, present, asking) => {
        const numbers = new RankNumbers(9, () => undefined);
        const last = new Map<number, string>();
        for (const one of before) {
          numbers.taken(one.rank, one.host, "gone");
          last.set(one.rank, one.host);
        }
        const isThere = (rank: number): boolean => present.includes(rank);
        const free = [1, 2, 3, 4, 5, 6, 7, 8].filter((rank) => !isThere(rank));
        const expected = free.find((rank) => last.get(rank) === asking) ?? free[0];
        expect(numbers.reserve("me", asking, isThere)).toBe(expected);
        expect(numbers.reserve("me", asking, isThere)).toBe(expected);
        const other = numbers.reserve("other", asking, isThere);
        if (other !== undefined) expect(other).not.toBe(expected);
        numbers.close();
      }),
    );
  });
});

describe("a second broker of a rank with overlay.on-lost = stop", () => {
  /** Rank 1 is cut off, and a second broker wants its number. */
  async function cutOff() {
    const nats = await server();
    const wire = await wireTo(nats);
    const zero = await startRank({ url: nats.url, rank: 0, size: 2, attributes: STOPS });
    const one = await startRank({ url: wire.url, rank: 1, attributes: STOPS });
    await presentRanks(zero.broker, 1);
    const order: string[] = [];
    one.broker.onShutdown(() => {
      void one.broker.close().then(() => order.push("the first has stopped"));
    });
    const second = async (): Promise<TestBroker> => {
      const broker = await startRank({ url: nats.url, rank: 1, attributes: STOPS });
      order.push("the second is in");
      return broker;
    };
    return { zero, one, wire, order, second };
  }

  test("trap-F12 gets the number of one that is cut off only when that has stopped its modules", async () => {
    const { zero, wire, order, second } = await cutOff();
    wire.cut();
    const { log } = await second();
    expect(order).toEqual(["the first has stopped", "the second is in"]);
    expect(log.map(({ text }) => text)).toContainEqual(
      expect.stringContaining(`rank 1 is silent (host ${hostname()}, pid ${process.pid}) and may still run`),
    );
    expect(await zero.handle.rpc("broker.ping", 6, { rank: 1 })).toBe(6);
  });

  test("trap-F12 that comes when the first counts as lost waits, too, and not after a goodbye", async () => {
    const { zero, one, wire, order, second } = await cutOff();
    wire.cut();
    await zero.logged("rank 1 is lost");
    const again = await second();
    expect(order).toEqual(["the first has stopped", "the second is in"]);
    expect(one.broker.rank).toBe(1);
    await again.broker.close();
    // Far sooner than the rank would count as stopped; else the time of the test runs out.
    const third = await second();
    expect(third.broker.rank).toBe(1);
  });

  test("is refused while the first answers: of two brokers that claim one rank there is one", async () => {
    const { zero, second } = await cutOff();
    await expect(second()).rejects.toMatchObject({
      errnum: ERRNO.EEXIST,
      message: `rank 1 has already joined (host ${hostname()}, pid ${process.pid})`,
    });
    expect(await zero.handle.rpc("broker.ping", 7, { rank: 1 })).toBe(7);
  });

  test("is let in at once when the first is forgotten; one that answers cannot be, nor rank 0", async () => {
    const slow = { ...STOPS, "broker.shutdown-timeout": "infinity" };
    const nats = await server();
    const wire = await wireTo(nats);
    const zero = await startRank({ url: nats.url, rank: 0, size: 3, attributes: slow });
    await startRank({ url: wire.url, rank: 1, attributes: slow });
    await presentRanks(zero.broker, 1);
    const forget = (rank: number): Promise<unknown> => zero.handle.rpc("overlay.forget", { rank });
    await expect(forget(1)).rejects.toMatchObject({ errnum: ERRNO.EBUSY });
    await expect(forget(0)).rejects.toMatchObject({ errnum: ERRNO.EINVAL });
    await expect(forget(3)).rejects.toMatchObject({ errnum: ERRNO.EINVAL });
    wire.cut();
    await zero.logged("rank 1 is lost");
    // Its number is not given to any other, either.
    expect((await startRank({ url: nats.url, rank: "auto" })).broker.rank).toBe(2);
    const second = startRank({ url: nats.url, rank: 1, attributes: slow });
    await zero.logged("rank 2 has joined");
    await forget(1);
    await second;
    await expect
      .poll(() => zero.broker.roster.ranks.map(({ state }) => state)[1], PATIENTLY)
      .not.toBe("lost");
    expect(await zero.handle.rpc("broker.ping", 8, { rank: 1 })).toBe(8);
  });
});

/** What the ranks of an instance do for each other, whatever joins them. */
import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import { ERRNO, type SluiceError } from "../../../src/errors/index.js";
import type { Event, Handle } from "../../../src/messages/index.js";
import {
  events,
  meeting,
  OVERLAYS,
  presentRanks,
  SOON_LOST,
  startRank,
  startRanks,
  type TestRank,
} from "../support/ranks-of-a-test.js";

/** Says where it is, keeps requests, and tells of senders that go. */
async function where(h: Handle): Promise<void> {
  h.handle("rank", () => h.rank);
  h.handle("echo", (request) => request.payload);
  h.handle("who", (request) => [request.userid, request.rolemask], { allowGuest: true });
  h.handle("never", () => undefined);
  h.handle("ticks", async function* (request) {
    for (let n = 0; ; n++) {
      yield n;
      if (n === 2) await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
      if (n === 2) return;
    }
  });
  h.handle("disconnect", (request) => {
    // At the end of a test nobody may be there to take it.
    h.publish("where.gone", request.sender).catch(() => undefined);
  });
  await h.run();
}

/** Subscribes again after missed events, and answers what it has seen since the first of them. */
async function countsAgain(h: Handle): Promise<void> {
  const seen: string[] = [];
  const listener = ({ topic }: Event): void => {
    if (seen.length > 0) seen.push(topic);
  };
  const onEnd = (): void => {
    seen.push("end");
    h.subscribe("load.*", listener, { onEnd }).catch((error: unknown) => h.stop(error as Error));
  };
  await h.subscribe("load.*", listener, { onEnd });
  h.handle("seen", () => seen);
  await h.run();
}

function rankOf(ranks: readonly TestRank[], rank: number): TestRank {
  const found = ranks[rank];
  if (found === undefined) throw new Error(`there is no rank ${rank}`);
  return found;
}

describe.each(OVERLAYS)("over %s", (kind) => {
  describe("requests", () => {
    test("reach the rank that they name, from any to any, whatever they carry", async () => {
      const ranks = await startRanks(4, await meeting(kind), { where });
      for (const { handle } of ranks) await handle.rpc("module.load", { path: "/mem/where" });
      for (const from of ranks) {
        for (let rank = 0; rank < 4; rank++) {
          expect(await from.handle.rpc("where.rank", {}, { rank })).toBe(rank);
        }
      }
      const bytes = new Uint8Array(1_000_000).map((_, i) => i % 251);
      const echo = await rankOf(ranks, 1).handle.rpc("where.echo", bytes, { rank: 3 });
      expect(echo instanceof Uint8Array && Buffer.compare(echo, bytes)).toBe(0);
      expect(await rankOf(ranks, 3).handle.rpc("where.echo", { text: "ü€😀" }, { rank: 2 })).toEqual({
        text: "ü€😀",
      });
      expect(ranks.map(({ broker }) => broker.pendingRequests)).toEqual([0, 0, 0, 0]);
    });

    test("to any are for this rank, else for rank 0; to upstream for rank 0", async () => {
      const ranks = await startRanks(3, await meeting(kind), { where });
      await rankOf(ranks, 0).handle.rpc("module.load", { path: "/mem/where" });
      await rankOf(ranks, 2).handle.rpc("module.load", { path: "/mem/where" });
      expect(await rankOf(ranks, 1).handle.rpc("where.rank")).toBe(0);
      expect(await rankOf(ranks, 2).handle.rpc("where.rank")).toBe(2);
      expect(await rankOf(ranks, 2).handle.rpc("where.rank", {}, { rank: "upstream" })).toBe(0);
      await expect(rankOf(ranks, 0).handle.rpc("where.rank", {}, { rank: 1 })).rejects.toMatchObject({
        errnum: ERRNO.ENOSYS,
      });
    });

    test("of guests are those of guests on every rank", async () => {
      const ranks = await startRanks(3, await meeting(kind), { where });
      await rankOf(ranks, 2).handle.rpc("module.load", { path: "/mem/where" });
      const guest = await rankOf(ranks, 1).broker.connect({ guest: true });
      expect(await guest.rpc("where.who", {}, { rank: 2 })).toEqual([0xffff_ffff, 2]);
      await expect(guest.rpc("where.rank", {}, { rank: 2 })).rejects.toMatchObject({ errnum: ERRNO.EPERM });
      await expect(guest.rpc("overlay.report", { state: "online" }, { rank: 0 })).rejects.toMatchObject({
        errnum: ERRNO.EPERM,
      });
    });

    test("to a rank that is lost fail naming it, streams too, those between two others as well", async () => {
      const ranks = await startRanks(3, await meeting(kind, SOON_LOST), { where });
      await rankOf(ranks, 2).handle.rpc("module.load", { path: "/mem/where" });
      await rankOf(ranks, 0).handle.rpc("module.load", { path: "/mem/where" });
      const lost = { errnum: ERRNO.EHOSTUNREACH, message: expect.stringContaining("rank 2") as string };
      const callers = [rankOf(ranks, 0), rankOf(ranks, 1)];
      const pending = callers.map(({ handle }) => handle.rpc("where.never", {}, { rank: 2 }));
      const streams = callers.map(({ handle }) => handle.rpcStream("where.ticks", {}, { rank: 2 }));
      for (const stream of streams) expect((await stream.next()).value).toBe(0);
      rankOf(ranks, 2).cut();
      for (const request of pending) await expect(request).rejects.toMatchObject(lost);
      for (const stream of streams) await expect(drain(stream)).rejects.toMatchObject(lost);
      for (const { handle } of callers) {
        await expect(handle.rpc("where.rank", {}, { rank: 2 })).rejects.toMatchObject(lost);
      }
      expect(await rankOf(ranks, 1).handle.rpc("where.rank")).toBe(0);
      expect(callers.map(({ broker }) => broker.pendingRequests)).toEqual([0, 0]);
    });
  });

  describe("services hear that a sender is gone", () => {
    test("when a client of another rank is", async () => {
      const ranks = await startRanks(3, await meeting(kind), { where });
      await rankOf(ranks, 2).handle.rpc("module.load", { path: "/mem/where" });
      const gone = await events(rankOf(ranks, 0).handle, "where.gone", 1);
      const client = await rankOf(ranks, 1).broker.connect();
      await client.rpc("where.rank", {}, { rank: 2 });
      const { uuid } = client;
      await client.close();
      expect((await gone.all).map(({ payload }) => payload)).toEqual([uuid]);
    });

    test("when its whole rank is, each sender by itself", async () => {
      const ranks = await startRanks(3, await meeting(kind, SOON_LOST), { where });
      await rankOf(ranks, 2).handle.rpc("module.load", { path: "/mem/where" });
      const clients = [await rankOf(ranks, 1).broker.connect(), await rankOf(ranks, 1).broker.connect()];
      for (const client of clients) await client.rpc("where.rank", {}, { rank: 2 });
      const stream = rankOf(ranks, 1).handle.rpcStream("where.ticks", {}, { rank: 2 });
      await stream.next();
      const gone = await events(rankOf(ranks, 0).handle, "where.gone", 3);
      const ended = drain(stream);
      rankOf(ranks, 1).cut();
      await expect(ended).rejects.toMatchObject({ errnum: ERRNO.EHOSTUNREACH });
      const senders = [...clients.map(({ uuid }) => uuid), rankOf(ranks, 1).handle.uuid];
      expect((await gone.all).map(({ payload }) => payload).sort()).toEqual(senders.sort());
    });
  });

  describe("events", () => {
    test("100,000 from four ranks at once come to all eight in one order without a gap", async () => {
      const EACH = 25_000;
      const ranks = await startRanks(8, await meeting(kind));
      const all = await Promise.all(ranks.map(({ handle }) => events(handle, "load.*", 4 * EACH)));
      const seqs = await Promise.all(
        [0, 1, 4, 7].map((rank) => publishMany(rankOf(ranks, rank).handle, `load.r${rank}`, EACH)),
      );
      const [first = [], ...others] = await Promise.all(all.map((heard) => heard.all));
      expect(first.map(({ seq }) => seq)).toEqual(Array.from({ length: 4 * EACH }, (_, i) => i + 1));
      // As text: comparing 800,000 objects one by one takes longer than sending them.
      const inOrder = JSON.stringify(first);
      for (const other of others) expect(JSON.stringify(other) === inOrder).toBe(true);
      // Each publisher was told the place of each, and its own kept their order.
      [0, 1, 4, 7].forEach((rank, i) => {
        const own = first.filter(({ topic }) => topic === `load.r${rank}`);
        expect(own.map(({ payload }) => payload)).toEqual(Array.from({ length: EACH }, (_, n) => n));
        expect(own.map(({ seq }) => seq)).toEqual(seqs[i]);
      });
    }, 240_000);

    test("come to a rank that joins late from then on", async () => {
      const at = await meeting(kind);
      const zero = await startRank({ rank: 0, size: 2, at });
      await zero.handle.publish("before");
      const one = await startRank({ rank: 1, size: 2, at });
      const heard = await events(one.handle, "*", 1);
      expect(await zero.handle.publish("after", { n: 1 })).toBe(2);
      expect(await heard.all).toMatchObject([{ topic: "after", seq: 2, payload: { n: 1 } }]);
    });

    test("beyond those that rank 0 keeps end the subscriptions of a rank, which makes them again and goes on", async () => {
      const attributes = { "overlay.kept-events": "500000", "overlay.heartbeat-period": "60s" };
      const ranks = await startRanks(2, await meeting(kind, attributes), { again: countsAgain });
      const [zero, one] = [rankOf(ranks, 0), rankOf(ranks, 1)];
      await one.handle.rpc("module.load", { path: "/mem/again" });
      const seen: string[] = [];
      const listener = ({ topic }: Event): void => void seen.push(topic);
      const renewed = new Promise<SluiceError>((resolve, reject) => {
        const onEnd = (error: SluiceError): void => {
          one.handle.subscribe("load.*", listener).then(() => resolve(error), reject);
        };
        one.handle.subscribe("load.*", listener, { onEnd }).catch(reject);
      });
      await one.handle.rpc("broker.ping");
      one.interrupt();
      const payload = new Uint8Array(100_000);
      const missed = Array.from({ length: 60 }, (_, n) => zero.handle.publish(`load.n${n}`, payload));
      await Promise.all(missed);
      one.heal();
      const why =
        /this rank has missed events after \d+, because rank 0 no longer keeps them all \(overlay.kept-events\)/;
      expect(await renewed).toMatchObject({
        errnum: ERRNO.ENODATA,
        message: expect.stringMatching(why) as string,
      });
      expect(await one.logged("this rank has missed events after")).toMatchObject({ level: "err" });
      expect(await one.handle.publish("own.event")).toBe(missed.length + 1);
      const before = seen.length;
      await zero.handle.publish("load.after");
      // On its way to a rank, an answer comes after the event.
      await one.handle.rpc("broker.ping", 1, { rank: 0 });
      expect(seen.slice(before)).toEqual(["load.after"]);
      expect(await one.handle.rpc("again.seen")).toEqual(["end", "load.after"]);
      await presentRanks(zero.broker, 1);
    });

    test("that a lost rank 0 has not ordered fail for their publisher", async () => {
      const ranks = await startRanks(2, await meeting(kind, SOON_LOST));
      rankOf(ranks, 1).cut();
      await presentRanks(rankOf(ranks, 1).broker, 0);
      await expect(rankOf(ranks, 1).handle.publish("too.late")).rejects.toMatchObject({
        errnum: ERRNO.EHOSTUNREACH,
      });
    });
  });

  describe("joining", () => {
    test("is refused to a rank that is there, out of range, or of another size", async () => {
      const at = await meeting(kind);
      const zero = await startRank({ rank: 0, size: 3, at });
      await startRank({ rank: 1, size: 3, at });
      const cases = [
        [
          { rank: 1, size: 3 },
          ERRNO.EEXIST,
          kind === "local"
            ? "rank 1 has already joined"
            : `rank 1 has already joined (host ${hostname()}, pid ${process.pid})`,
        ],
        [{ rank: 3, size: 3 }, ERRNO.EINVAL, "rank 3 cannot join: this instance has ranks 0 to 2"],
        [{ rank: 2, size: 4 }, ERRNO.EINVAL, "rank 2 belongs to an instance of size 4, not 3"],
      ] as const;
      for (const [options, errnum, message] of cases) {
        await expect(startRank({ ...options, at })).rejects.toMatchObject({
          code: "BROKER_STATE",
          errnum,
          message,
        });
        await zero.logged(message);
      }
      expect(await zero.handle.rpc("broker.ping", 1, { rank: 1 })).toBe(1);
    });

    test("gives up when rank 0 does not come in time", async () => {
      const at = await meeting(kind);
      await expect(startRank({ rank: 1, size: 2, at, joinTimeoutMs: 30 })).rejects.toMatchObject({
        code: "BROKER_STATE",
        errnum: ERRNO.EHOSTUNREACH,
      });
    });

    test("fault-C4 is tried again by a rank that was lost: it keeps what it has, and no event is missing or doubled", async () => {
      const ranks = await startRanks(3, await meeting(kind, SOON_LOST), { where });
      const [zero, one, two] = [0, 1, 2].map((rank) => rankOf(ranks, rank)) as [TestRank, TestRank, TestRank];
      for (const { handle } of [one, two]) await handle.rpc("module.load", { path: "/mem/where" });
      const all = await Promise.all(ranks.map(({ handle }) => events(handle, "load.*", 41)));
      const lost = presentRanks(zero.broker, 1);
      const underWay = publishMany(one.handle, "load.own", 20);
      // The broker has all of them now.
      await one.handle.rpc("broker.ping");
      one.interrupt();
      await lost;
      await publishMany(zero.handle, "load.zero", 20);
      const back = Promise.all(ranks.map(({ broker }) => presentRanks(broker, 2)));
      one.heal();
      await back;
      await underWay;
      expect(await one.handle.rpc("where.rank", {}, { rank: 2 })).toBe(2);
      expect(await two.handle.rpc("where.rank", {}, { rank: 1 })).toBe(1);
      await one.handle.publish("load.last");
      const [first = [], ...others] = await Promise.all(all.map((heard) => heard.all));
      for (const other of others) expect(other).toEqual(first);
      const payloadsOf = (topic: string): unknown[] =>
        first.filter((event) => event.topic === topic).map(({ payload }) => payload);
      const numbers = Array.from({ length: 20 }, (_, n) => n);
      expect([payloadsOf("load.own"), payloadsOf("load.zero")]).toEqual([numbers, numbers]);
      await one.logged("joined the instance again");
    });

    test("is possible again after a loss, under the same number", async () => {
      const at = await meeting(kind, SOON_LOST);
      const zero = await startRank({ rank: 0, size: 2, at });
      const first = await startRank({ rank: 1, size: 2, at });
      first.cut();
      await presentRanks(zero.broker, 0);
      await startRank({ rank: 1, size: 2, at }, { where });
      await presentRanks(zero.broker, 1);
      await zero.handle.rpc("module.load", { path: "/mem/where" }, { rank: 1 });
      expect(await zero.handle.rpc("where.rank", {}, { rank: 1 })).toBe(1);
    });
  });
});

async function drain(stream: AsyncIterator<unknown>): Promise<void> {
  while ((await stream.next()).done !== true);
}

/** Publishes without waiting for each; gives the sequence numbers in the order of publication. */
async function publishMany(handle: Handle, topic: string, count: number): Promise<number[]> {
  const seqs: Promise<number>[] = [];
  for (let n = 0; n < count; n++) {
    seqs.push(handle.publish(topic, n));
    // As a program that does something else as well.
    if (n % 1000 === 999) await seqs.at(-1);
  }
  return Promise.all(seqs);
}

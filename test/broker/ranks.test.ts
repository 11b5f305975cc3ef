import { expect, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import type { Event, Handle } from "../../src/messages/index.js";
import { memoryOverlay } from "./support/memory-overlay.js";
import { startBroker, type TestBroker } from "./support/start-broker.js";

/** Three brokers of one instance, each with the module `where` on hand, which says its rank. */
async function threeRanks(): Promise<[TestBroker, TestBroker, TestBroker]> {
  const where = async (h: Handle): Promise<void> => {
    h.handle("rank", () => h.rank);
    h.handle("never", () => undefined);
    h.handle("disconnect", (request) => void h.publish("where.lost", request.sender));
    await h.run();
  };
  const brokers = await Promise.all(memoryOverlay(3).map((overlay) => startBroker({ where }, { overlay })));
  const [a, b, c] = brokers;
  if (a === undefined || b === undefined || c === undefined) throw new Error("three were started");
  return [a, b, c];
}

test("requests reach the rank that they name, and any goes towards rank 0 when this rank does not serve it", async () => {
  const [zero, one, two] = await threeRanks();
  expect([two.handle.rank, two.handle.size]).toEqual([2, 3]);
  await zero.handle.rpc("module.load", { path: "/mem/where" });
  await two.handle.rpc("module.load", { path: "/mem/where" });
  expect(await one.handle.rpc("where.rank")).toBe(0);
  expect(await two.handle.rpc("where.rank")).toBe(2);
  expect(await two.handle.rpc("where.rank", {}, { rank: "upstream" })).toBe(0);
  expect(await zero.handle.rpc("where.rank", {}, { rank: 2 })).toBe(2);
  await expect(zero.handle.rpc("where.rank", {}, { rank: 1 })).rejects.toMatchObject({
    errnum: ERRNO.ENOSYS,
  });
  await expect(one.handle.rpc("nowhere.rank")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
  await expect(zero.handle.rpc("where.rank", {}, { rank: 7 })).rejects.toMatchObject({
    errnum: ERRNO.EHOSTUNREACH,
  });
  expect([zero, one, two].map(({ broker }) => broker.pendingRequests)).toEqual([0, 0, 0]);
});

test("events have one order on all ranks", async () => {
  const [zero, one, two] = await threeRanks();
  const got: Event[][] = [[], [], []];
  const all = [zero, one, two].map(
    ({ handle }, rank) =>
      new Promise<void>((resolve) => {
        void handle.subscribe("news.*", (event) => {
          if (got[rank]?.push(event) === 6) resolve();
        });
      }),
  );
  await Promise.all([zero, one, two].map(({ handle }) => handle.rpc("attr.list")));
  const seqs = await Promise.all(
    [two, zero, one, one, two, zero].map(({ handle }, n) => handle.publish(`news.n${n}`)),
  );
  await Promise.all(all);
  expect([...seqs].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(got[0]?.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(got[1]).toEqual(got[0]);
  expect(got[2]).toEqual(got[0]);
});

test("guests stay guests on other ranks, and subscribe at their own", async () => {
  const [zero, one] = await threeRanks();
  const guest = await one.broker.connect({ guest: true });
  await expect(guest.rpc("broker.getenv", {}, { rank: 0 })).rejects.toMatchObject({ errnum: ERRNO.EPERM });
  await expect(one.handle.rpc("event.subscribe", { topic: "a" }, { rank: 0 })).rejects.toMatchObject({
    errnum: ERRNO.EINVAL,
  });
  expect(await zero.handle.rpc("broker.ping", 1, { rank: 1 })).toBe(1);
});

test("a client that goes away is announced to services on other ranks, a rank that leaves fails what it was asked", async () => {
  const [zero, one, two] = await threeRanks();
  await two.handle.rpc("module.load", { path: "/mem/where" });
  const lost = new Promise<void>((resolve) => {
    void zero.handle.subscribe("where.lost", () => resolve());
  });
  const client = await one.broker.connect();
  await client.rpc("where.rank", {}, { rank: 2 });
  await client.close();
  await lost;
  const never = expect(one.handle.rpc("where.never", {}, { rank: 2 })).rejects.toMatchObject({
    errnum: ERRNO.ECONNRESET,
  });
  await one.handle.rpc("broker.ping", 1, { rank: 2 });
  await two.broker.close();
  await never;
  expect(one.broker.pendingRequests).toBe(0);
});

/** The order of events whose messages come late, twice, or by another way; and what is kept to repeat them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { EventOrder } from "../../../src/broker/ranks/leaf/event-order.js";
import { RecentEvents } from "../../../src/broker/ranks/leaf/recent-events.js";
import { EventRing } from "../../../src/broker/ranks/root/event-ring.js";
import type { EventMessage, Message } from "../../../src/messages/index.js";
import { heldBytes } from "../../helpers/memory.js";

const MIB = 2 ** 20;

function event(seq: number): EventMessage {
  return { type: "event", topic: "a", seq };
}

function batch(seq: number, bytes: number): Message {
  return { type: "event", topic: `b${seq}`, seq: 0, payload: new Uint8Array(bytes) };
}

test("events are delivered once and in order, however they come, once all have", () => {
  const arrivals = fc.integer({ min: 1, max: 40 }).chain((count) => {
    const seqs = Array.from({ length: count }, (_, n) => n + 1);
    const some = fc.array(fc.constantFrom(...seqs), { maxLength: 60 });
    return fc.tuple(fc.shuffledSubarray(seqs, { minLength: count }), some, fc.constant(seqs));
  });
  fc.assert(
    fc.property(arrivals, ([once, again, seqs]) => {
      const got: number[] = [];
      const order = new EventOrder(0, ({ seq }) => got.push(seq));
      for (const seq of [...again, ...once]) {
        order.add(event(seq), 0);
        // Never out of order on the way.
        expect(got).toEqual(seqs.slice(0, got.length));
      }
      expect(got).toEqual(seqs);
      expect([order.hasHole, order.seq]).toEqual([false, seqs.length]);
    }),
  );
});

test("the ring gives what follows an event, oldest first, or says that it is not kept any more", () => {
  const ring = new EventRing(0, () => 10_000);
  for (let seq = 1; seq <= 100; seq++) ring.add(batch(seq, 1000), seq);
  const topics = (seq: number, limit?: number): string[] | undefined =>
    ring.since(seq, limit)?.map((one) => ("topic" in one ? one.topic : ""));
  expect(topics(100)).toEqual([]);
  expect(topics(98)).toEqual(["b99", "b100"]);
  expect(topics(95, 1)).toEqual(["b96"]);
  expect(topics(50)).toBeUndefined();
  const kept = topics(93) ?? [];
  expect(kept).toEqual(["b94", "b95", "b96", "b97", "b98", "b99", "b100"]);
  expect(topics(92)).toBeUndefined();
});

test("the ring keeps the newest even if it is over the limit alone, and thousands of small ones", () => {
  const ring = new EventRing(0, () => 10_000_000);
  for (let seq = 1; seq <= 50_000; seq++) ring.add(batch(seq, 100), seq);
  expect(ring.since(49_990)?.length).toBe(10);
  ring.add(batch(50_001, 20_000_000), 50_001);
  expect(ring.since(50_000)?.length).toBe(1);
  expect(ring.since(49_999)).toBeUndefined();
});

test("the ring holds no more memory than it may, however large and few the events are", async () => {
  const ring = new EventRing(0, () => 8 * MIB);
  const before = heldBytes();
  for (let seq = 1; seq <= 200; seq++) ring.add(batch(seq, MIB), seq);
  await expect.poll(() => heldBytes() - before).toBeLessThan(12 * MIB);
  expect(ring.since(195)?.length).toBe(5);
});

test("a rank holds no more memory for the next leader than 16 MiB, however large and few the events are", async () => {
  const recent = new RecentEvents();
  const before = heldBytes();
  for (let seq = 1; seq <= 200; seq++) recent.add({ ...event(seq), payload: new Uint8Array(MIB) }, 1);
  await expect.poll(() => heldBytes() - before).toBeLessThan(20 * MIB);
  expect(recent.since(190)?.length).toBe(10);
  expect(recent.since(100)).toBeUndefined();
});

test("what comes too early is kept within 16 MiB, even if it has no payload", () => {
  const got: number[] = [];
  const order = new EventOrder(0, ({ seq }) => got.push(seq));
  for (let seq = 2; seq <= 200_000; seq++) order.add(event(seq), 0);
  order.add(event(1), 0);
  expect(order.seq).toBe(got.length);
  expect(order.seq).toBeLessThan(100_000);
});

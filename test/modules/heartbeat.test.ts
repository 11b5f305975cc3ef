import { expect, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import { gapOverlay } from "../broker/support/gap-overlay.js";
import { memoryOverlay } from "../broker/support/memory-overlay.js";
import { withInstance } from "./instance.js";
import { MemoryOverlay } from "./memory-overlay.js";

test("heartbeat publishes its pulse, counting, until it is removed", async () => {
  await withInstance({}, async (instance) => {
    const pulses = await instance.events("heartbeat.pulse");
    await instance.load(["heartbeat", "interval=0.01"]);
    const events = await pulses.atLeast(3);
    expect(events.slice(0, 3).map(({ payload }) => payload)).toEqual([
      { count: 1 },
      { count: 2 },
      { count: 3 },
    ]);
    const status = (await instance.rpc("heartbeat.status")) as { intervalMs: number; count: number };
    expect(status.intervalMs).toBe(10);
    expect(status.count).toBeGreaterThanOrEqual(3);
  });
});

test("heartbeat beats every two seconds unless told otherwise, and tells guests so, too", async () => {
  await withInstance({}, async (instance) => {
    await instance.load("heartbeat");
    const guest = await instance.broker.connect({ guest: true });
    expect(await guest.rpc("heartbeat.status")).toEqual({ intervalMs: 2000, count: 0 });
    await guest.close();
  });
});

test.each(["interval=", "interval=0", "interval=x", "interval=-1", "period=1", "1"])(
  "heartbeat refuses the argument %s with EINVAL",
  async (argument) => {
    await withInstance({}, async (instance) => {
      await expect(instance.load(["heartbeat", argument])).rejects.toEqual(
        expect.objectContaining({ errnum: ERRNO.EINVAL }),
      );
    });
  },
);

test("after missed events a rank counts the next pulses", async () => {
  const [first, second] = memoryOverlay(2);
  if (first === undefined || second === undefined) throw new Error("two were made");
  const { overlay, away } = gapOverlay(second);
  await withInstance({ overlay: first }, async (zero) => {
    await withInstance({ overlay }, async (one) => {
      await one.load("heartbeat");
      const pulse = async (): Promise<void> => {
        await zero.handle.publish("heartbeat.pulse");
        // An answer to a rank comes after the event.
        await one.handle.rpc("broker.ping", 1, { rank: 0 });
      };
      await away(pulse);
      await one.rpc("heartbeat.ping");
      await pulse();
      expect(await one.rpc("heartbeat.status")).toMatchObject({ count: 1 });
    });
  });
});

test("only rank 0 beats, the others count what they hear", async () => {
  const [first, second] = MemoryOverlay.pair();
  await withInstance({ overlay: first }, async (zero) => {
    await withInstance({ overlay: second }, async (one) => {
      await one.load(["heartbeat", "interval=0.01"]);
      const pulses = await one.events("heartbeat.pulse");
      await zero.load(["heartbeat", "interval=0.01"]);
      await pulses.atLeast(2);
      await zero.remove("heartbeat");
      const { count } = (await one.rpc("heartbeat.status")) as { count: number };
      expect(count).toBeGreaterThanOrEqual(2);
      expect(pulses.items.map(({ payload }) => (payload as { count: number }).count)).toEqual(
        pulses.items.map((_, index) => index + 1),
      );
    });
  });
});

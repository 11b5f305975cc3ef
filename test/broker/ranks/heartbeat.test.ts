/** When a rank that is silent counts as stalled, and as lost. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Heartbeat } from "../../../src/broker/ranks/heartbeat.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const PERIOD_MS = 2000;

/** Watches rank 1, and notes what becomes of it. */
function watch() {
  const said: string[] = [];
  const heartbeat = new Heartbeat({
    periodMs: PERIOD_MS,
    lostAfterMs: () => 60_000,
    send: () => undefined,
    stalled: () => said.push("stalled"),
    resumed: () => said.push("resumed"),
    lost: () => said.push("lost"),
  });
  heartbeat.add(1);
  return { heartbeat, said };
}

test.each([0, 1, 500, 1000, 1999])(
  "a rank that was heard last %i ms after a beat of this one is stalled when its third beat is overdue, not a period later",
  async (phaseMs) => {
    const { heartbeat, said } = watch();
    await vi.advanceTimersByTimeAsync(PERIOD_MS + phaseMs);
    heartbeat.heard(1);
    await vi.advanceTimersByTimeAsync(3 * PERIOD_MS);
    expect(said).toEqual([]);
    await vi.advanceTimersByTimeAsync(PERIOD_MS / 4 + 1);
    expect(said).toEqual(["stalled"]);
    heartbeat.heard(1);
    expect(said).toEqual(["stalled", "resumed"]);
    heartbeat.close();
  },
);

test("a rank whose beats come a little late is not stalled", async () => {
  const { heartbeat, said } = watch();
  for (let beat = 0; beat < 20; beat++) {
    await vi.advanceTimersByTimeAsync(3 * PERIOD_MS + 400);
    heartbeat.heard(1);
  }
  expect(said).toEqual([]);
  heartbeat.close();
  // A check that was about to run.
  await vi.advanceTimersByTimeAsync(1);
  expect(vi.getTimerCount()).toBe(0);
});

test("a rank that stays silent is lost after its time", async () => {
  const { heartbeat, said } = watch();
  await vi.advanceTimersByTimeAsync(60_000 + PERIOD_MS);
  expect(said).toEqual(["stalled", "lost"]);
  heartbeat.close();
});

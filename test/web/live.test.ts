/** What a page or a reader of metrics gets of the ranks, by way of any of them. */
import { EventEmitter, once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/broker/clock.js";
import { LiveInstance } from "../../src/web/live.js";
import { printedMetrics } from "../../src/web/metrics-server.js";
import { meeting, startRank } from "../broker/support/ranks-of-a-test.js";

async function twoRanks() {
  const at = await meeting("local");
  const options = { size: 2, at, more: { clock: systemClock } };
  const [zero, one] = await Promise.all([
    startRank({ ...options, rank: 0 }),
    startRank({ ...options, rank: 1 }),
  ]);
  return { zero, one };
}

test("metrics by way of a rank other than 0 wait for every rank, and have every rank", async () => {
  const { one } = await twoRanks();
  const missing: (readonly number[] | undefined)[] = [];
  const changes = new EventEmitter();
  const live = new LiveInstance({
    ...{ handle: one.handle, periodMs: 100 },
    onChange: ({ part }) => {
      if (part === "ranks") missing.push(live.missing());
      changes.emit(part);
    },
    onProblem: (text) => {
      throw new Error(text);
    },
  });
  onTestFinished(() => live.close());
  live.start();
  await once(changes, "ranks");
  expect(missing[0]).toContain(0);
  const text = await printedMetrics(one.handle, { isOpen: false, timeoutMs: 20_000 });
  for (const rank of [0, 1]) expect(text).toContain(`sluice_broker_clients{rank="${rank}"}`);
});

test("a rank whose connection to rank 0 was interrupted shows rank 0 again", async () => {
  const { one } = await twoRanks();
  const changes = new EventEmitter();
  const live = new LiveInstance({
    ...{ handle: one.handle, periodMs: 100 },
    onChange: ({ part }) => changes.emit(part),
    onProblem: (text) => {
      throw new Error(text);
    },
  });
  onTestFinished(() => live.close());
  const hasZero = (): boolean => live.ranks().some(({ rank, broker }) => rank === 0 && broker !== null);
  live.start();
  while (!hasZero()) await once(changes, "modules");
  const gone = once(changes, "rank-gone");
  one.interrupt();
  await gone;
  expect(hasZero()).toBe(false);
  while (!hasZero()) await once(changes, "modules");
});

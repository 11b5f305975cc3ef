import fc from "fast-check";
import { expect, test } from "vitest";
import { blame, criticalChain, nextToCritical, recordedTimeline } from "../../src/analysis/index.js";
import { planOf } from "../run/support/plan-of.js";
import { randomRun } from "../run/support/random-run.js";
import { recordRun } from "./support/record-of.js";

const diamond = planOf({
  base: {},
  left: { after: ["base"] },
  right: { after: ["base"] },
  top: { after: ["left", "right"] },
  aside: {},
});
const durationMs = new Map([
  ["base", 10],
  ["left", 30],
  ["right", 20],
  ["top", 5],
  ["aside", 12],
]);

test("the chain goes from the unit that ended last to one that could start at once", async () => {
  const timeline = recordedTimeline(await recordRun(diamond, { durationMs, jobs: 8 }));
  expect(criticalChain(timeline)).toEqual([
    {
      ...{ unit: "top", startNs: 40e6, durationNs: 5e6, slackNs: 0 },
      ...{ waitedFor: "dependency", slotWaitNs: 0, lagNs: 0 },
    },
    expect.objectContaining({ unit: "left", startNs: 10e6, slackNs: 0, waitedFor: "dependency" }),
    expect.objectContaining({ unit: "base", startNs: 0, slackNs: 0, waitedFor: "start" }),
  ]);
  expect(timeline.durationNs).toBe(45e6);
});

test("a unit off the chain has as much slack as it could take longer", async () => {
  const timeline = recordedTimeline(await recordRun(diamond, { durationMs, jobs: 8 }));
  const next = nextToCritical(timeline, criticalChain(timeline) ?? [], 5);
  expect(next.map(({ unit, slackNs }) => [unit, slackNs])).toEqual([
    ["right", 10e6],
    ["aside", 33e6],
  ]);
});

test("a unit that was ready and had to wait says for which slot, and for how long", async () => {
  const plan = planOf({ long: {}, short: {}, late: {} });
  const times = new Map([
    ["long", 40],
    ["short", 25],
    ["late", 30],
  ]);
  const timeline = recordedTimeline(await recordRun(plan, { durationMs: times, jobs: 2 }));
  expect(criticalChain(timeline)).toMatchObject([
    { unit: "late", startNs: 25e6, waitedFor: "slot", slotWaitNs: 25e6, slackNs: 0 },
    { unit: "short", startNs: 0, waitedFor: "start", slackNs: 0 },
  ]);
  expect(timeline.byStep.get(0)?.slackNs).toBe(15e6);
});

test("the chain of a named unit ends with it; of one that is not there is none", async () => {
  const timeline = recordedTimeline(await recordRun(diamond, { durationMs, jobs: 8 }));
  expect(criticalChain(timeline, "right")?.map(({ unit }) => unit)).toEqual(["right", "base"]);
  expect(criticalChain(timeline, "nobody")).toBeUndefined();
});

test("blame lists the slowest first, of equals the one that started first", async () => {
  const times = new Map(durationMs).set("aside", 10);
  const timeline = recordedTimeline(await recordRun(diamond, { durationMs: times, jobs: 8 }));
  expect(blame(timeline).map(({ unit, durationNs }) => [unit, durationNs / 1e6])).toEqual([
    ["left", 30],
    ["right", 20],
    ["base", 10],
    ["aside", 10],
    ["top", 5],
  ]);
});

test("of any run, the links of the chain follow each other without a gap and without slack", async () => {
  await fc.assert(
    fc.asyncProperty(randomRun, async ({ plan, durationMs: times, recordedMs, jobs }) => {
      const record = await recordRun(plan, { durationMs: times, durationsMs: recordedMs, jobs });
      const timeline = recordedTimeline(record);
      const chain = criticalChain(timeline) ?? [];
      let endNs = timeline.durationNs;
      for (const { startNs, durationNs, slackNs, lagNs } of chain) {
        expect(startNs + durationNs).toBe(endNs);
        expect(slackNs).toBe(0);
        expect(lagNs).toBe(0);
        endNs = startNs;
      }
      expect(endNs).toBe(0);
      for (const { slackNs } of timeline.times) expect(slackNs).toBeGreaterThanOrEqual(0);
    }),
  );
});

test("taking the slack changes nothing, taking more does, where slots do not count", async () => {
  await fc.assert(
    fc.asyncProperty(randomRun, fc.nat(), async ({ plan, durationMs: times }, which) => {
      const jobs = plan.steps.length;
      const timeline = recordedTimeline(await recordRun(plan, { durationMs: times, jobs }));
      const step = which % plan.steps.length;
      const unit = plan.steps[step]?.unit.name ?? "";
      const slackMs = (timeline.byStep.get(step)?.slackNs ?? 0) / 1e6;
      const took = async (moreMs: number): Promise<number> => {
        const longer = new Map(times).set(unit, (times.get(unit) ?? 0) + moreMs);
        return recordedTimeline(await recordRun(plan, { durationMs: longer, jobs })).durationNs;
      };
      expect(await took(slackMs)).toBe(timeline.durationNs);
      expect(await took(slackMs + 1)).toBe(timeline.durationNs + 1e6);
    }),
    { numRuns: 50 },
  );
});

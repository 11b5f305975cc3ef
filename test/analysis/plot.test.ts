import fc from "fast-check";
import { Resvg } from "@resvg/resvg-js";
import { expect, test } from "vitest";
import {
  ganttOf,
  ganttToHtml,
  ganttToSvg,
  ganttToTrace,
  headlineOf,
  headlineText,
  recordedTimeline,
} from "../../src/analysis/index.js";
import { planOf } from "../run/support/plan-of.js";
import { randomRun } from "../run/support/random-run.js";
import { recordRun } from "./support/record-of.js";

const plan = planOf({
  base: { action: "load" },
  broken: { after: ["base"] },
  waiting: {},
  last: { after: ["broken"] },
});
const run = {
  durationMs: new Map([
    ["base", 40],
    ["broken", 5],
    ["waiting", 10],
    ["last", 5],
  ]),
  failures: new Map([["broken", new Error('no <luck> & "no" help')]]),
  keepGoing: true,
  jobs: 1,
};

test("the headline tells of the run in one line", async () => {
  const record = await recordRun(plan, run);
  expect(headlineText(headlineOf(record))).toBe(
    "run of rank 0, 2023-11-14 22:13:20 UTC: 4 units in 60ms, 1 at a time, 1 failed",
  );
});

test("the bars have what each unit waited for, in the order of their starts", async () => {
  const { bars, chain, load } = ganttOf(recordedTimeline(await recordRun(plan, run)));
  expect(bars.map(({ unit, waitedFor, ended }) => ({ unit, waitedFor, ended }))).toEqual([
    { unit: "base", waitedFor: null, ended: "end" },
    { unit: "broken", waitedFor: { kind: "dependency", unit: "base" }, ended: "fail" },
    { unit: "waiting", waitedFor: { kind: "slot", unit: "broken" }, ended: "end" },
    { unit: "last", waitedFor: { kind: "slot", unit: "waiting" }, ended: "end" },
  ]);
  expect(chain).toEqual([0, 1, 2, 3]);
  expect(load).toEqual([
    { atNs: 0, running: 1 },
    { atNs: 40e6, running: 1 },
    { atNs: 45e6, running: 1 },
    { atNs: 55e6, running: 1 },
    { atNs: 60e6, running: 0 },
  ]);
});

test("the SVG of any run is well formed, loads nothing, and has a told bar for each unit", async () => {
  await fc.assert(
    fc.asyncProperty(randomRun, async ({ plan: random, durationMs, jobs }) => {
      const gantt = ganttOf(recordedTimeline(await recordRun(random, { durationMs, jobs })));
      const svg = ganttToSvg(gantt, 'a <run> & "more"');
      // It refuses what is not well formed, and NaN for a number.
      expect(new Resvg(svg).width).toBeGreaterThan(0);
      expect(svg).not.toMatch(/NaN|Infinity|undefined|href|url\(|<script/);
      for (const { unit } of gantt.bars) expect(svg).toContain(`<g><title>${unit}: run, @`);
    }),
    { numRuns: 30 },
  );
});

test("the page loads nothing, and names of units are text in it", async () => {
  const gantt = ganttOf(recordedTimeline(await recordRun(plan, run)));
  const bars = gantt.bars.map((bar) => ({ ...bar, unit: `<b>${bar.unit}` }));
  const page = ganttToHtml({ ...gantt, bars }, "run: 4 units");
  expect(page).not.toMatch(/<b>|<script|<link|src=|@import|url\(/);
  expect(page).toContain("default-src 'none'");
  expect(page.match(/<tr[ >]/g)).toHaveLength(1 + gantt.bars.length);
});

test("the trace has what the format asks of each phase, and no overlap on a track", async () => {
  await fc.assert(
    fc.asyncProperty(randomRun, async ({ plan: random, durationMs, jobs }) => {
      const gantt = ganttOf(recordedTimeline(await recordRun(random, { durationMs, jobs })));
      const trace = JSON.parse(JSON.stringify(ganttToTrace(gantt, "a run"))) as {
        traceEvents: Record<string, unknown>[];
      };
      expect(Object.keys(trace).sort()).toEqual(["displayTimeUnit", "otherData", "traceEvents"]);
      const freeFrom = new Map<unknown, number>();
      const threads = new Set<unknown>();
      let units = 0;
      for (const event of trace.traceEvents) {
        const { ph, ts, dur, tid, pid, name, args } = event;
        expect([typeof name, typeof pid, typeof tid, typeof args]).toEqual([
          ...["string", "number", "number", "object"],
        ]);
        if (ph === "M") {
          expect(["process_name", "thread_name", "thread_sort_index"]).toContain(name);
          if (name === "thread_name") threads.add(tid);
        } else if (ph === "X") {
          units++;
          expect(threads).toContain(tid);
          expect(Number(ts)).toBeGreaterThanOrEqual(freeFrom.get(tid) ?? 0);
          expect(Number(dur)).toBeGreaterThanOrEqual(0);
          freeFrom.set(tid, Number(ts) + Number(dur));
        } else {
          expect(ph).toBe("C");
          expect(args).toEqual({ units: expect.any(Number) as number });
        }
      }
      expect(units).toBe(random.steps.length);
      expect(threads.size).toBeLessThanOrEqual(jobs);
    }),
    { numRuns: 50 },
  );
});

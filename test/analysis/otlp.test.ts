import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ganttOf, ganttToOtlp, headlineOf, recordedTimeline } from "../../src/analysis/index.js";
import { planOf } from "../run/support/plan-of.js";
import { randomRun } from "../run/support/random-run.js";
import { recordRun } from "./support/record-of.js";

const SCHEMA = new URL("../../schema/otlp-traces.schema.json", import.meta.url);
const isTraces = new Ajv2020({ allErrors: true }).compile(JSON.parse(readFileSync(SCHEMA, "utf8")) as object);

async function tracesOf(...run: Parameters<typeof recordRun>) {
  const record = await recordRun(...run);
  const traces = ganttToOtlp(ganttOf(recordedTimeline(record)), headlineOf(record), record.version);
  expect(isTraces(JSON.parse(JSON.stringify(traces))), JSON.stringify(isTraces.errors)).toBe(true);
  return {
    traces,
    spans: traces.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
  };
}

test("any run is traces as the protocol has them, with one span for each unit below that of the run", async () => {
  await fc.assert(
    fc.asyncProperty(randomRun, async ({ plan, durationMs, jobs }) => {
      const { spans } = await tracesOf(plan, { durationMs, jobs });
      const [run, ...units] = spans;
      expect(units.map(({ parentSpanId }) => parentSpanId)).toEqual(units.map(() => run?.spanId));
      expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
      for (const { startTimeUnixNano, endTimeUnixNano } of units) {
        expect(BigInt(startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(run?.startTimeUnixNano ?? 0));
        expect(BigInt(endTimeUnixNano)).toBeLessThanOrEqual(BigInt(run?.endTimeUnixNano ?? 0));
      }
    }),
    { numRuns: 30 },
  );
});

test("a span has the times of its unit to the nanosecond, its end, and a link to what it waited for", async () => {
  const plan = planOf({ base: { action: "load" }, broken: { after: ["base"] } });
  const durationMs = new Map([
    ["base", 40],
    ["broken", 5],
  ]);
  const failures = new Map([["broken", new Error("no")]]);
  const { spans, traces } = await tracesOf(plan, { durationMs, failures, keepGoing: true, jobs: 1 });
  const [run, base, broken] = spans;
  expect(run).toMatchObject({
    name: "run",
    startTimeUnixNano: "1700000000000000000",
    endTimeUnixNano: "1700000000045000000",
    status: { code: 2, message: "failed" },
  });
  expect(base).toMatchObject({
    name: "load base",
    endTimeUnixNano: "1700000000040000000",
    links: [],
    status: { code: 1 },
  });
  expect(broken).toMatchObject({
    name: "run broken",
    startTimeUnixNano: "1700000000040000000",
    links: [{ traceId: run?.traceId, spanId: base?.spanId }],
    status: { code: 2, message: "fail" },
  });
  expect(await tracesOf(plan, { durationMs, failures, keepGoing: true, jobs: 1 })).toMatchObject({ traces });
});

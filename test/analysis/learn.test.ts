import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { learn, recordFromText, recordToText, type RunMessages, whatIf } from "../../src/analysis/index.js";
import { withoutEdges } from "../../src/analysis/edit.js";
import { dagOf, recordPlan, type RunRecord } from "../../src/analysis/record.js";
import { planOf, type StepSketch } from "../run/support/plan-of.js";
import { randomRun } from "../run/support/random-run.js";
import { recordRun } from "./support/record-of.js";

type Asked = readonly [from: string, to: string, isStarting?: boolean];

/** Modules that take a second each, and what they asked each other. */
async function recordOf(
  units: Readonly<Record<string, readonly string[]>>,
  asked: readonly Asked[],
  isComplete = true,
): Promise<RunRecord> {
  const sketches = Object.entries(units).map(([name, after]): [string, StepSketch] => [
    name,
    { action: "load", after },
  ]);
  const durationMs = new Map(Object.keys(units).map((name) => [name, 1000]));
  const record = await recordRun(planOf(Object.fromEntries(sketches)), { durationMs });
  const between = asked.map(([from, to, isStarting = true]) => ({
    ...{ from, to, answered: [{ topic: `${to}.get`, isStarting }] },
  }));
  return { ...record, messages: { isComplete, between } };
}

describe("learn", () => {
  test("leaves alone what relations order, directly or through others, whichever way", async () => {
    const record = await recordOf({ a: [], b: ["a"], c: ["b"] }, [
      ["c", "a"],
      ["a", "b"],
    ]);
    expect(learn(record)).toMatchObject({ missing: [], doubtful: [] });
  });

  test("tells what was asked before the sender ran from what came later, and names a ring", async () => {
    const record = await recordOf({ a: [], b: [], c: [] }, [
      ["c", "b", false],
      ["b", "a"],
      ["a", "b"],
    ]);
    expect(learn(record)).toMatchObject({
      missing: [
        { unit: "a", asked: "b", topics: ["b.get"], closesRing: false },
        { unit: "b", asked: "a", closesRing: true },
      ],
      doubtful: [{ unit: "c", asked: "b", closesRing: false }],
    });
  });

  test("counts a relation as used by messages through others, and says what others would save", async () => {
    const record = await recordOf({ store: [], cache: ["store"], page: ["cache", "store"], slow: ["page"] }, [
      ["page", "cache"],
      ["cache", "store"],
    ]);
    expect(learn(record)).toMatchObject({
      missing: [],
      unused: [{ unit: "slow", after: "page", savedNs: 1_000_000_000 }],
    });
  });

  test("calls no relation unused where messages may have gone unseen", async () => {
    const units = { store: [], page: ["store"] };
    expect(learn(await recordOf(units, [], false))?.unused).toEqual([]);
    expect(learn(await recordOf(units, []))?.unused).toMatchObject([{ unit: "page", after: "store" }]);
    const durationMs = new Map([["page", 5]]);
    const task = planOf({ store: { action: "load" }, page: { action: "run", after: ["store"] } });
    const record = await recordRun(task, { durationMs });
    expect(learn({ ...record, messages: { isComplete: true, between: [] } })?.unused).toEqual([]);
    expect(learn(record)).toBeUndefined();
  });

  test("goes by what the files say now where that differs", async () => {
    const record = await recordOf({ a: [], b: [], c: ["a"] }, [["b", "a"]]);
    const now = recordPlan(planOf({ a: {}, b: { after: ["a"] }, c: {} }));
    expect(learn(record, now)).toMatchObject({ missing: [], unused: [] });
  });
});

describe("a record with messages", () => {
  test("is the same when it is read again, and one with others is refused", async () => {
    const record = await recordOf({ a: [], b: [] }, [["b", "a"]]);
    const text = recordToText(record);
    expect(recordFromText(text, "run.jsonl")).toMatchObject({ ok: true, value: record });
    const broken: RunMessages = JSON.parse('{"isComplete": true, "between": [{"from": 1}]}') as RunMessages;
    expect(recordFromText(recordToText({ ...record, messages: broken }), "run.jsonl")).toMatchObject({
      ok: false,
      diagnostics: [{ code: "RUN_RECORD", location: { line: 1 } }],
    });
  });
});

test("a replay without a relation is what the runner does without it", async () => {
  await fc.assert(
    fc.asyncProperty(randomRun, fc.nat(), async ({ plan, durationMs, recordedMs, jobs }, which) => {
      const record = await recordRun(plan, { durationMs, durationsMs: recordedMs, jobs });
      const { steps } = record.plan;
      const edges = steps.flatMap(({ unit, after }) =>
        after.flatMap((before) => (steps[before] === undefined ? [] : [{ unit, after: steps[before].unit }])),
      );
      const edge = edges[which % Math.max(1, edges.length)];
      if (edge === undefined) return;
      const dag = dagOf(withoutEdges(record.plan, [edge]));
      const actual = await recordRun({ ...plan, dag }, { durationMs, durationsMs: recordedMs, jobs });
      const { predicted } = whatIf(record, { unordered: [edge] });
      expect(predicted.times).toEqual(whatIf(actual, {}).recorded.times);
    }),
  );
});

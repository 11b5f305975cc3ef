import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Timeline, whatIf } from "../../src/analysis/index.js";
import { planOf } from "../run/support/plan-of.js";
import { randomRun } from "../run/support/random-run.js";
import { recordRun } from "./support/record-of.js";

/** When each unit started and ended. */
function scheduleOf({ plan, times }: Timeline): Map<string, readonly [number, number]> {
  return new Map(
    times.map(({ step, startNs, endNs }) => [plan.steps[step]?.unit ?? "", [startNs, endNs] as const]),
  );
}

describe("a replay", () => {
  test("of a random run with nothing different is that run", async () => {
    await fc.assert(
      fc.asyncProperty(randomRun, async ({ plan, durationMs, recordedMs, jobs }) => {
        const record = await recordRun(plan, { durationMs, durationsMs: recordedMs, jobs });
        const { recorded, predicted, removed } = whatIf(record, {});
        expect(removed).toEqual([]);
        expect(predicted).toEqual(recorded);
      }),
    );
  });

  test("with another number of jobs is what the runner then does", async () => {
    await fc.assert(
      fc.asyncProperty(randomRun, fc.integer({ min: 1, max: 6 }), async (run, jobs) => {
        const { plan, durationMs, recordedMs: durationsMs } = run;
        const record = await recordRun(plan, { durationMs, durationsMs, jobs: run.jobs });
        const actual = await recordRun(plan, { durationMs, durationsMs, jobs });
        const { predicted } = whatIf(record, { jobs });
        expect(predicted).toEqual(whatIf(actual, {}).recorded);
      }),
    );
  });

  test("with a unit faster is what the runner does when it is", async () => {
    await fc.assert(
      fc.asyncProperty(
        randomRun,
        fc.nat(),
        fc.constantFrom(0.5, 2, 4),
        async ({ plan, durationMs, recordedMs: durationsMs, jobs }, which, factor) => {
          const unit = plan.steps[which % plan.steps.length]?.unit.name ?? "";
          const record = await recordRun(plan, { durationMs, durationsMs, jobs });
          const changed = new Map(durationMs).set(unit, (durationMs.get(unit) ?? 0) / factor);
          const actual = await recordRun(plan, { durationMs: changed, durationsMs, jobs });
          const { predicted } = whatIf(record, { faster: new Map([[unit, factor]]) });
          expect(scheduleOf(predicted)).toEqual(scheduleOf(whatIf(actual, {}).recorded));
        },
      ),
    );
  });

  test("of a run that failed is of what ran", async () => {
    await fc.assert(
      fc.asyncProperty(
        randomRun,
        fc.nat(),
        fc.boolean(),
        async ({ plan, durationMs, jobs }, which, keepGoing) => {
          const unit = plan.steps[which % plan.steps.length]?.unit.name ?? "";
          const failures = new Map([[unit, new Error("broken")]]);
          const record = await recordRun(plan, { durationMs, failures, jobs, keepGoing });
          const { recorded, predicted } = whatIf(record, {});
          expect(scheduleOf(predicted)).toEqual(scheduleOf(recorded));
        },
      ),
    );
  });
});

describe("without a unit", () => {
  const plan = planOf({
    base: {},
    helper: {},
    extra: { requires: ["helper"], after: ["helper"] },
    client: { needs: ["extra"], after: ["extra"] },
    app: { after: ["base", "extra"] },
  });
  const roots = new Set(["extra", "client", "app", "base"]);
  const durationMs = new Map([
    ["base", 30],
    ["helper", 20],
    ["extra", 50],
    ["client", 10],
    ["app", 40],
  ]);
  const rooted = { ...plan, request: { kind: "start", roots: [...roots] } } as const;

  test("what needs it and what only it required go too, and nobody waits for it", async () => {
    const record = await recordRun(rooted, { durationMs, jobs: 4 });
    const { recorded, predicted, removed } = whatIf(record, { without: ["extra"] });
    expect(recorded.durationNs).toBe(110e6);
    expect(removed).toEqual([
      { unit: "extra", because: { kind: "asked" } },
      { unit: "client", because: { kind: "need", unit: "extra" } },
      { unit: "helper", because: { kind: "unused" } },
    ]);
    expect([...scheduleOf(predicted)]).toEqual([
      ["base", [0, 30e6]],
      ["app", [30e6, 70e6]],
    ]);
    expect(predicted.durationNs).toBe(70e6);
  });

  test("what others ask for as well stays", async () => {
    const shared = planOf({
      helper: {},
      extra: { requires: ["helper"] },
      app: { requires: ["helper"], after: ["extra"] },
    });
    const request = { kind: "start", roots: ["extra", "app"] } as const;
    const record = await recordRun({ ...shared, request }, { durationMs, jobs: 4 });
    const { predicted, removed } = whatIf(record, { without: ["extra"] });
    expect(removed).toEqual([{ unit: "extra", because: { kind: "asked" } }]);
    expect([...scheduleOf(predicted)]).toEqual([
      ["helper", [0, 20e6]],
      ["app", [0, 40e6]],
    ]);
  });
});

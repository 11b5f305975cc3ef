/** Recorded runs of real timers: what was recorded is what the replay gives. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { whatIf } from "../../src/analysis/index.js";
import type { Plan } from "../../src/graph/index.js";
import { collect, runPlan } from "../../src/run/index.js";
import { planOf, type StepSketch } from "../run/support/plan-of.js";
import { recordOf } from "./support/record-of.js";

type Sketches = Readonly<Record<string, StepSketch>>;

const name = (index: number): string => `u${index}`;

/** Predecessors of each unit, by its number. */
function shape(count: number, after: (index: number) => number[]): Sketches {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [name(index), { after: after(index).map(name) }]),
  );
}

/** The same numbers in every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647);
}

const random = numbers(7);
const SHAPES: Readonly<Record<string, Sketches>> = {
  chain: shape(8, (index) => (index === 0 ? [] : [index - 1])),
  wide: shape(24, () => []),
  // Every seventh unit joins the six before it and forks to the next six.
  "fork-join": shape(22, (index) =>
    index % 7 === 0
      ? [1, 2, 3, 4, 5, 6].map((back) => index - back).filter((at) => at > 0)
      : [index - (index % 7)],
  ),
  random: shape(24, (index) => (index === 0 ? [] : [random() % index, random() % index])),
  // Diamonds on top of each other.
  deep: shape(16, (index) => {
    if (index === 0) return [];
    return index % 3 === 0 ? [index - 1, index - 2] : [index - (index % 3)];
  }),
};

/** Sleeps, and keeps the processor busy for a moment when it is handed out, as starting a process does. */
async function record(plan: Plan, jobs: number) {
  const take = numbers(jobs);
  const durations = new Map(plan.steps.map(({ unit }) => [unit.name, 10 + (take() % 30)]));
  const executor = {
    execute: ({ unit }: Plan["steps"][number]) => {
      const busyUntilMs = performance.now() + 2;
      while (performance.now() < busyUntilMs);
      return sleep(durations.get(unit.name));
    },
  };
  const report = await collect(runPlan(plan, { executor, jobs }));
  return recordOf(plan, report);
}

describe.each(Object.entries(SHAPES))("a real run of a %s", (_, sketches) => {
  test.each([1, 3, 32])("%i at a time is replayed within two per cent of its time", async (jobs) => {
    const { recorded, predicted } = whatIf(await record(planOf(sketches), jobs), {});
    expect(recorded.durationNs).toBeGreaterThan(50e6);
    expect(Math.abs(predicted.durationNs / recorded.durationNs - 1)).toBeLessThan(0.02);
    const startsOf = (timeline: typeof recorded) => timeline.times.map(({ step }) => step);
    expect(startsOf(predicted)).toEqual(startsOf(recorded));
  });
});

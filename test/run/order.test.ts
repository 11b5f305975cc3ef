import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Plan } from "../../src/graph/index.js";
import { collect, type RunEvent, runPlan } from "../../src/run/index.js";
import { runs } from "../helpers/property-runs.js";
import { SleepingExecutor } from "./support/fake-executor.js";
import { adjacency, planOf } from "./support/plan-of.js";
import { randomRun, type RandomRun } from "./support/random-run.js";
import { VirtualClock } from "./support/virtual-clock.js";

function timesOf(events: readonly RunEvent[]): Map<string, { startMs: number; endMs: number }> {
  const times = new Map<string, { startMs: number; endMs: number }>();
  for (const event of events) {
    if (event.type === "start") times.set(event.unit, { startMs: event.atMs, endMs: Infinity });
    const time = event.type === "end" ? times.get(event.unit) : undefined;
    if (time !== undefined) time.endMs = event.atMs;
  }
  return times;
}

/**
 * The list schedule of a plan, by a simulation that has nothing in common with the runner: whenever a slot is free, the
 * ready step with the longest remaining path takes it.
 */
function listSchedule({ plan, edges, durationMs, jobs }: RandomRun): number {
  const names = plan.steps.map((step) => step.unit.name);
  const duration = (name: string): number => durationMs.get(name) ?? 0;
  const remaining = new Map<string, number>();
  for (const name of names.toReversed()) {
    const behind = edges.filter(([from]) => from === name).map(([, to]) => remaining.get(to) ?? 0);
    remaining.set(name, duration(name) + Math.max(0, ...behind));
  }
  const byUrgency = names.toSorted((a, b) => (remaining.get(b) ?? 0) - (remaining.get(a) ?? 0));
  const endMs = new Map<string, number>();
  for (let nowMs = 0; ;) {
    const isOver = (name: string): boolean => (endMs.get(name) ?? Infinity) <= nowMs;
    const isReady = (name: string): boolean =>
      !endMs.has(name) && edges.every(([from, to]) => to !== name || isOver(from));
    const busy = [...endMs.values()].filter((end) => end > nowMs).length;
    const next = busy < jobs ? byUrgency.find(isReady) : undefined;
    if (next !== undefined) {
      endMs.set(next, nowMs + duration(next));
      continue;
    }
    const later = [...endMs.values()].filter((end) => end > nowMs);
    if (later.length === 0) return nowMs;
    nowMs = Math.min(...later);
  }
}

/** Adds to each duration a fraction of its own, a power of two, so that no two steps ever end at the same moment. */
function withoutTies(random: RandomRun): RandomRun {
  const durations = [...random.durationMs].map(
    ([name, ms], index) => [name, ms + 2 ** -(index + 1)] as const,
  );
  return { ...random, durationMs: new Map(durations) };
}

describe("the order of a run", () => {
  test("respects every edge and the number of jobs, whatever steps take and whichever ready one goes first", async () => {
    await fc.assert(
      fc.asyncProperty(randomRun, async ({ plan, edges, durationMs, recordedMs, jobs }) => {
        const clock = new VirtualClock();
        const executor = new SleepingExecutor(clock, (name) => durationMs.get(name) ?? 0);
        const report = await clock.drive(runPlan(plan, { executor, jobs, durationsMs: recordedMs, clock }));
        expect(report.ok).toBe(true);
        const position = new Map<string, number>();
        for (const [index, event] of report.events.entries()) {
          if (event.type === "start") position.set(`start ${event.unit}`, index);
          if (event.type === "end") position.set(`end ${event.unit}`, index);
        }
        expect(position.size).toBe(2 * plan.steps.length);
        for (const [from, to] of edges) {
          expect(position.get(`end ${from}`)).toBeLessThan(position.get(`start ${to}`) ?? -1);
        }
        expect(executor.mostRunning).toBeLessThanOrEqual(jobs);
        expect(clock.pending).toBe(0);
      }),
      runs(400),
    );
  });

  test("takes exactly as long as a simulated list schedule when the recorded durations are right", async () => {
    await fc.assert(
      fc.asyncProperty(randomRun.map(withoutTies), async (random) => {
        const clock = new VirtualClock();
        const executor = new SleepingExecutor(clock, (name) => random.durationMs.get(name) ?? 0);
        const options = { executor, jobs: random.jobs, durationsMs: random.durationMs, clock };
        const report = await clock.drive(runPlan(random.plan, options));
        expect(report.durationMs).toBe(listSchedule(random));
      }),
      runs(150),
    );
  });

  test("starts the longest remaining path first, so that two jobs finish when the long chain does", async () => {
    const plan = planOf({
      s1: {},
      s2: {},
      s3: {},
      s4: {},
      long1: {},
      long2: { after: ["long1"] },
      long3: { after: ["long2"] },
      long4: { after: ["long3"] },
    });
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(clock, () => 10);
    const report = await clock.drive(runPlan(plan, { executor, jobs: 2, clock }));
    expect(report.durationMs).toBe(40);
    expect(report.events.filter((event) => event.type === "start").map((event) => event.unit)).toEqual([
      ...["long1", "s1", "long2", "s2", "long3", "s3", "s4", "long4"],
    ]);
  });

  test("prefers what took long in the last run, and counts what was not there as 1", async () => {
    const plan = planOf({ unknown: {}, quick: {}, slow: {} });
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(clock, () => 10);
    const durationsMs = new Map([
      ["slow", 500],
      ["quick", 0.5],
    ]);
    const report = await clock.drive(runPlan(plan, { executor, jobs: 1, clock, durationsMs }));
    expect(report.done.map((event) => event.unit)).toEqual(["slow", "unknown", "quick"]);
  });

  test("keeps the canonical order among steps with equally long paths", async () => {
    const plan = planOf({ c: {}, a: {}, d: {}, b: {} });
    const clock = new VirtualClock();
    const report = await clock.drive(
      runPlan(plan, { executor: new SleepingExecutor(clock, () => 1), jobs: 1, clock }),
    );
    expect(report.done.map((event) => event.unit)).toEqual(["c", "a", "d", "b"]);
  });

  test("passes barriers without a slot, a step or an event", async () => {
    const plan = planOf({ a: {}, b: {}, c: {}, d: {} }, { barriers: [{ from: ["a", "b"], to: ["c", "d"] }] });
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(clock, (name) => (name === "b" ? 7 : 3));
    const report = await clock.drive(runPlan(plan, { executor, jobs: 4, clock }));
    const times = timesOf(report.events);
    expect(times.size).toBe(4);
    expect(times.get("c")).toEqual({ startMs: 7, endMs: 10 });
    expect(times.get("d")).toEqual({ startMs: 7, endMs: 10 });
  });

  test("runs a chain of 200,000 steps", async () => {
    const count = 200_000;
    const template = planOf({ a: {} });
    const [only] = template.steps;
    if (only === undefined) throw new Error("no step");
    const edges = Array.from({ length: count - 1 }, (_, index) => [index, index + 1] as const);
    const plan: Plan = {
      ...template,
      steps: Array.from({ length: count }, () => only),
      dag: adjacency(count, count, edges),
    };
    let executed = 0;
    const execute = (): Promise<void> => {
      executed++;
      return Promise.resolve();
    };
    let last: RunEvent | undefined;
    for await (const event of runPlan(plan, { executor: { execute }, jobs: 1 })) last = event;
    expect(executed).toBe(count);
    expect(last).toMatchObject({ type: "summary", outcome: "ok", done: count });
  });

  test("lets timers fire while steps that take no time follow each other", async () => {
    const count = 20_000;
    const sketches = Object.fromEntries(Array.from({ length: count }, (_, index) => [`u${index}`, {}]));
    let doneAtTimer: number | undefined;
    let executed = 0;
    const execute = (): Promise<void> => {
      if (executed === 0) setTimeout(() => (doneAtTimer = executed), 1);
      executed++;
      return Promise.resolve();
    };
    const report = await collect(runPlan(planOf(sketches), { executor: { execute } }));
    expect(report.done).toHaveLength(count);
    expect(doneAtTimer).toBeLessThan(count);
  });

  test("refuses a plan with a cycle instead of waiting for ever", async () => {
    const plan = {
      ...planOf({ a: {}, b: {} }),
      dag: adjacency(2, 2, [
        [0, 1],
        [1, 0],
      ]),
    };
    const executor = { execute: () => Promise.resolve() };
    await expect(collect(runPlan(plan, { executor }))).rejects.toMatchObject({ code: "INTERNAL" });
  });
});

import { describe, expect, test } from "vitest";
import { collect, durationText, type RunEvent, runPlan, type RunOptions } from "../../src/run/index.js";
import type { Plan } from "../../src/graph/index.js";
import { HeldExecutor, SleepingExecutor } from "./support/fake-executor.js";
import { planOf } from "./support/plan-of.js";
import { VirtualClock } from "./support/virtual-clock.js";

/** Each event as one line: its type, its unit, and when. */
function lines(events: readonly RunEvent[]): string[] {
  return events
    .filter((event) => event.type !== "plan" && event.type !== "summary")
    .map((event) => `${event.atMs} ${event.type} ${"unit" in event ? event.unit : event.stage}`);
}

async function run(
  plan: Plan,
  failures: Record<string, unknown>,
  options: Partial<RunOptions> = {},
): Promise<{ lines: string[]; report: Awaited<ReturnType<VirtualClock["drive"]>>; aborted: string[] }> {
  const clock = new VirtualClock();
  const executor = new SleepingExecutor(clock, () => 10, new Map(Object.entries(failures)));
  const report = await clock.drive(runPlan(plan, { executor, jobs: 8, clock, ...options }));
  expect(clock.pending).toBe(0);
  return { lines: lines(report.events), report, aborted: executor.aborted };
}

describe("a step that fails", () => {
  test("stops the start of others, while what runs may finish", async () => {
    const plan = planOf({ bad: {}, other: {}, next: { after: ["other"] }, last: { after: ["bad"] } });
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(
      clock,
      (name) => (name === "other" ? 25 : 10),
      new Map([["bad", new Error("no luck")]]),
    );
    const report = await clock.drive(runPlan(plan, { executor, jobs: 8, clock }));
    expect(lines(report.events)).toEqual([
      "0 start bad",
      "0 start other",
      "10 fail bad",
      "25 end other",
      "25 not-started next",
      "25 not-started last",
    ]);
    expect(report.outcome).toBe("failed");
    expect(report.failed.map(({ unit, message }) => `${unit}: ${message}`)).toEqual(["bad: no luck"]);
    expect(report.notStarted.map(({ because }) => because)).toEqual([
      { kind: "failed", unit: "bad" },
      { kind: "failed", unit: "bad" },
    ]);
    expect(report.notStarted[0]?.message).toBe("not started, because bad failed");
  });

  test("may throw before there is a promise, or throw what is no error", async () => {
    const thrower = (): Promise<void> => {
      throw new Error("at once");
    };
    const atOnce = await collect(runPlan(planOf({ a: {} }), { executor: { execute: thrower } }));
    expect(atOnce.failed[0]?.message).toBe("at once");
    const { report } = await run(planOf({ a: {} }), { a: "a string" });
    expect(report.failed[0]).toMatchObject({ message: "a string", error: { code: "RUN_FAILED", unit: "a" } });
  });

  test("row 26: is the one that the rest was not started for, also when another fails later", async () => {
    const clock = new VirtualClock();
    const failures = new Map([
      ["first", new Error("1")],
      ["second", new Error("2")],
    ]);
    const executor = new SleepingExecutor(clock, (name) => (name === "first" ? 5 : 10), failures);
    const plan = planOf({ first: {}, second: {}, rest: { after: ["second"] } });
    const report = await clock.drive(runPlan(plan, { executor, jobs: 2, clock }));
    expect(report.failed.map((event) => event.unit)).toEqual(["first", "second"]);
    expect(report.notStarted.map(({ unit, because }) => [unit, because])).toEqual([
      ["rest", { kind: "failed", unit: "first" }],
    ]);
  });

  test("strands no other removal", async () => {
    const sketches = { a: { action: "remove" }, b: { action: "remove", after: ["a"] } } as const;
    for (const kind of ["stop", "remove"] as const) {
      const { report } = await run(planOf(sketches, { kind }), { a: new Error("stuck") });
      expect(report.done.map((event) => event.unit)).toEqual(["b"]);
      expect(report.outcome).toBe("failed");
    }
  });

  test("in a shutdown takes along the tasks that need it, and nothing else", async () => {
    const plan = planOf(
      {
        flush: {},
        dump: { needs: ["flush"], after: ["flush"] },
        keep: { needs: ["kvs"], after: ["kvs"] },
        kvs: { action: "remove", after: ["flush", "dump"], requires: ["flush"] },
      },
      { kind: "stop" },
    );
    const { report } = await run(plan, { flush: new Error("disk full"), kvs: new Error("stuck") });
    expect(report.skipped.map((event) => event.unit)).toEqual(["dump"]);
    expect(report.done.map((event) => event.unit)).toEqual(["keep"]);
    expect(report.failed.map((event) => event.unit)).toEqual(["flush", "kvs"]);
  });
});

describe("keep-going", () => {
  const keepGoing = { keepGoing: true };

  test("skips what requires or needs the failed unit, transitively, and says through whom", async () => {
    const plan = planOf({
      bad: {},
      near: { requires: ["bad"], after: ["bad"] },
      far: { needs: ["near"], after: ["near"] },
      ordered: { after: ["bad", "near", "far"] },
    });
    const { report } = await run(plan, { bad: new Error("x") }, keepGoing);
    expect(report.skipped.map(({ unit, because, via }) => [unit, because, via])).toEqual([
      ["near", "bad", "bad"],
      ["far", "bad", "near"],
    ]);
    expect(report.skipped[1]?.message).toBe("skipped, because bad failed");
    expect(report.done.map((event) => event.unit)).toEqual(["ordered"]);
    expect(report.notStarted).toEqual([]);
    expect(report.outcome).toBe("failed");
  });

  test("keeps the order that leads through a skipped step", async () => {
    const plan = planOf({
      bad: {},
      slow: {},
      skipped: { requires: ["bad"], after: ["bad", "slow"] },
      last: { after: ["skipped"] },
    });
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(
      clock,
      (name) => (name === "slow" ? 90 : 10),
      new Map([["bad", new Error("x")]]),
    );
    const report = await clock.drive(runPlan(plan, { executor, jobs: 8, clock, keepGoing: true }));
    expect(report.events.find((event) => event.type === "start" && event.unit === "last")?.atMs).toBe(90);
  });

  test("skips a step that was ready and waited for a slot", async () => {
    const plan = planOf({ bad: {}, waiting: { requires: ["bad"] }, behind: { after: ["waiting"] } });
    const durationsMs = new Map([["bad", 100]]);
    const { report } = await run(plan, { bad: new Error("x") }, { ...keepGoing, jobs: 1, durationsMs });
    expect(report.skipped.map((event) => event.unit)).toEqual(["waiting"]);
    expect(report.done.map((event) => event.unit)).toEqual(["behind"]);
  });

  test("leaves alone what ran already, and what another provider still serves", async () => {
    const plan = planOf({
      early: { requires: ["bad"] },
      bad: { provides: ["store"], after: ["early"] },
      good: { provides: ["store"] },
      user: { needs: ["store"], after: ["bad", "good"] },
    });
    const { report } = await run(plan, { bad: new Error("x") }, keepGoing);
    expect(report.skipped).toEqual([]);
    expect(report.done.map((event) => event.unit).toSorted()).toEqual(["early", "good", "user"]);
  });

  test("skips what needs a service once all its providers have failed", async () => {
    const plan = planOf({
      one: { provides: ["store"] },
      two: { provides: ["store"], after: ["one"] },
      user: { needs: ["store"], after: ["two"] },
    });
    const { report } = await run(plan, { one: new Error("x"), two: new Error("y") }, keepGoing);
    expect(report.skipped.map(({ unit, because }) => [unit, because])).toEqual([["user", "two"]]);
  });

  test("skips a chain of 30,000 without overflowing the stack", async () => {
    const count = 30_000;
    const sketches: Record<string, { requires: string[]; after: string[] }> = {
      u0: { requires: [], after: [] },
    };
    for (let index = 1; index < count; index++) {
      sketches[`u${index}`] = { requires: [`u${index - 1}`], after: [`u${index - 1}`] };
    }
    const { report } = await run(planOf(sketches), { u0: new Error("x") }, keepGoing);
    expect(report.skipped).toHaveLength(count - 1);
  });
});

describe("a time-out", () => {
  test("fails the unit at once, names it and the time, and tells the executor", async () => {
    const plan = planOf({ slow: { timeoutMs: 4 }, next: { after: ["slow"] } });
    const { report, aborted } = await run(plan, {});
    expect(report.failed).toHaveLength(1);
    expect(report.failed[0]).toMatchObject({
      type: "timeout",
      unit: "slow",
      atMs: 4,
      durationMs: 4,
      timeoutMs: 4,
      message: "timed out after 4ms",
      error: { code: "RUN_TIMEOUT", unit: "slow" },
    });
    expect(aborted).toEqual(["slow"]);
    expect(report.notStarted.map((event) => event.unit)).toEqual(["next"]);
  });

  test("is forgotten when the step is done in time", async () => {
    const { report } = await run(planOf({ quick: { timeoutMs: 11 }, free: { timeoutMs: Infinity } }), {});
    expect(report.ok).toBe(true);
  });

  test("keeps the slot until the executor has given up, but no longer than the grace time", async () => {
    const clock = new VirtualClock();
    const executor = new HeldExecutor();
    const plan = planOf({ stuck: { timeoutMs: 5 }, next: {} });
    const durationsMs = new Map([["stuck", 9]]);
    const options = { executor, jobs: 1, clock, keepGoing: true, graceMs: 100, durationsMs };
    const report = await clock.drive(runPlan(plan, options), (event) => {
      if (event.type === "start" && event.unit === "next") executor.finish("next");
    });
    expect(lines(report.events)).toEqual([
      "0 start stuck",
      "5 timeout stuck",
      "105 start next",
      "105 end next",
    ]);
    expect(clock.pending).toBe(0);
  });

  test.each([
    [500, "500ms"],
    [1500, "1500ms"],
    [30_000, "30s"],
    [90_000, "90s"],
    [120_000, "2m"],
    [7_200_000, "2h"],
    [86_400_000, "1d"],
    [0, "0ms"],
  ])("of %d ms is written %s", (durationMs, text) => {
    expect(durationText(durationMs)).toBe(text);
  });
});

describe("an optional unit that fails", () => {
  test("is listed; what requires it runs without, what needs it is skipped, and the run has not failed", async () => {
    const plan = planOf({
      nice: { optional: true },
      user: { requires: ["nice"], after: ["nice"] },
      needy: { needs: ["nice"], after: ["nice"] },
      fan: { requires: ["needy"], after: ["needy"] },
      last: { after: ["nice"] },
    });
    const { lines: seen, report } = await run(plan, { nice: new Error("no luck") });
    expect(seen).toEqual([
      "0 start nice",
      "10 fail nice",
      "10 skip needy",
      "10 start user",
      "10 start fan",
      "10 start last",
      "20 end user",
      "20 end fan",
      "20 end last",
    ]);
    expect(report.outcome).toBe("ok");
    expect(report.failed).toEqual([
      expect.objectContaining({ unit: "nice", message: "no luck", optional: true }),
    ]);
    expect(report.events.at(-1)).toMatchObject({ done: 3, failed: 0, skipped: 2 });
  });

  test("by its time-out, or in a run that keeps going, is the same", async () => {
    const plan = planOf({
      nice: { optional: true, timeoutMs: 5 },
      user: { requires: ["nice"], after: ["nice"] },
    });
    const { lines: seen, report } = await run(plan, {}, { keepGoing: true });
    expect(seen).toEqual(["0 start nice", "5 timeout nice", "5 start user", "15 end user"]);
    expect(report.outcome).toBe("ok");
  });

  test("does not keep another failure from ending the run", async () => {
    const plan = planOf({ nice: { optional: true }, bad: {}, next: { after: ["bad"] } });
    const { lines: seen, report } = await run(plan, { nice: new Error("a"), bad: new Error("b") });
    expect(seen).toEqual([
      "0 start bad",
      "0 start nice",
      "10 fail bad",
      "10 fail nice",
      "10 not-started next",
    ]);
    expect(report.outcome).toBe("failed");
  });
});

import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { defaultJobs, type RunEvent, runPlan, summarise, systemClock } from "../../src/run/index.js";
import { HeldExecutor, SleepingExecutor } from "./support/fake-executor.js";
import { planOf } from "./support/plan-of.js";
import { VirtualClock } from "./support/virtual-clock.js";

const twoInARow = planOf({ first: {}, second: { after: ["first"] } });

/** Aborts when the clock of the run gets there. */
function abortAt(clock: VirtualClock, atMs: number): AbortController {
  const controller = new AbortController();
  clock.after(atMs, () => controller.abort());
  return controller;
}

describe("an interrupt", () => {
  test("starts nothing more and lets what runs finish within two seconds", async () => {
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(clock, () => 1500);
    const { signal } = abortAt(clock, 100);
    const report = await clock.drive(runPlan(twoInARow, { executor, clock, signal }));
    expect(report.outcome).toBe("interrupted");
    expect(report.done.map(({ unit, atMs }) => [unit, atMs])).toEqual([["first", 1500]]);
    expect(report.notStarted.map(({ unit, because }) => [unit, because])).toEqual([
      ["second", { kind: "interrupted" }],
    ]);
    expect(executor.aborted).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test("cancels what still runs after two seconds", async () => {
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(clock, () => 60_000);
    const { signal } = abortAt(clock, 100);
    const report = await clock.drive(runPlan(twoInARow, { executor, clock, signal }));
    expect(report.cancelled.map(({ unit, atMs, message }) => [unit, atMs, message])).toEqual([
      ["first", 2100, "cancelled"],
    ]);
    expect(report.events.filter((event) => event.type === "interrupt")).toEqual([
      { type: "interrupt", atMs: 100, stage: "stop" },
      { type: "interrupt", atMs: 2100, stage: "cancel" },
    ]);
    expect(report.failed).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test("that comes a second time cancels now", async () => {
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(clock, () => 60_000);
    const { signal } = abortAt(clock, 100);
    const { signal: cancelSignal } = abortAt(clock, 350);
    const report = await clock.drive(runPlan(twoInARow, { executor, clock, signal, cancelSignal }));
    expect(report.cancelled.map(({ unit, atMs }) => [unit, atMs])).toEqual([["first", 350]]);
    expect(clock.pending).toBe(0);
  });

  test("waits no longer than the grace time for an executor that does not listen", async () => {
    const clock = new VirtualClock();
    const executor = new HeldExecutor();
    const { signal: cancelSignal } = abortAt(clock, 10);
    const report = await clock.drive(runPlan(twoInARow, { executor, clock, cancelSignal, graceMs: 50 }));
    expect(executor.isAborted("first")).toBe(true);
    expect(report.cancelled.map(({ unit, atMs }) => [unit, atMs])).toEqual([["first", 60]]);
    executor.fail("first", "much too late");
    await nextTurn();
  });

  test("before the run starts nothing at all", async () => {
    const clock = new VirtualClock();
    const executor = new HeldExecutor();
    const report = await clock.drive(runPlan(twoInARow, { executor, clock, signal: AbortSignal.abort() }));
    expect(executor.started).toEqual([]);
    expect(report.notStarted).toHaveLength(2);
    expect(report.outcome).toBe("interrupted");
  });

  test("after a failure leaves the failure as the reason of what did not start", async () => {
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(
      clock,
      (name) => (name === "bad" ? 10 : 500),
      new Map([["bad", new Error("x")]]),
    );
    const { signal } = abortAt(clock, 100);
    const plan = planOf({ bad: {}, slow: {}, rest: { after: ["slow"] } });
    const report = await clock.drive(runPlan(plan, { executor, jobs: 2, clock, signal }));
    expect(report.notStarted[0]?.because).toEqual({ kind: "failed", unit: "bad" });
    expect(report.outcome).toBe("interrupted");
  });
});

describe("the stream of a run", () => {
  test("begins with the plan, ends with the summary, and has one last event a step", async () => {
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(clock, () => 5, new Map([["b", new Error("x")]]));
    const plan = planOf({
      a: {},
      b: { after: ["a"] },
      c: { requires: ["b"], after: ["b"] },
      d: { after: ["c"] },
    });
    const report = await clock.drive(runPlan(plan, { executor, jobs: 3, clock, keepGoing: true }));
    expect(report.events[0]).toEqual({
      type: "plan",
      atMs: 0,
      stepCount: 4,
      jobs: 3,
      epochMs: 1_700_000_000_000,
    });
    expect(report.events.at(-1)).toEqual({
      type: "summary",
      atMs: 15,
      outcome: "failed",
      done: 2,
      failed: 1,
      cancelled: 0,
      skipped: 1,
      notStarted: 0,
    });
    expect(report.timings).toEqual([
      { unit: "a", action: "run", startedAtMs: 0, durationMs: 5, ended: "end" },
      { unit: "b", action: "run", startedAtMs: 5, durationMs: 5, ended: "fail" },
      { unit: "d", action: "run", startedAtMs: 10, durationMs: 5, ended: "end" },
    ]);
  });

  test("of an empty plan is just these two", async () => {
    const clock = new VirtualClock();
    const report = await clock.drive(runPlan(planOf({}), { executor: new HeldExecutor(), clock }));
    expect(report.events.map((event) => event.type)).toEqual(["plan", "summary"]);
    expect(report.ok).toBe(true);
  });

  test("does not wait for a reader that is slow", async () => {
    const executor = new HeldExecutor();
    const reader = runPlan(twoInARow, { executor });
    await reader.next();
    executor.finish("first");
    await nextTurn();
    expect(executor.started).toEqual(["first", "second"]);
    executor.finish("second");
    const rest: RunEvent[] = [];
    for await (const event of reader) rest.push(event);
    expect(rest.map((event) => event.type)).toEqual(["start", "end", "start", "end", "summary"]);
  });

  test("left early cancels what runs before it gives control back", async () => {
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(clock, () => 60_000);
    for await (const event of runPlan(twoInARow, { executor, clock })) {
      if (event.type === "start") break;
    }
    expect(executor.aborted).toEqual(["first"]);
    expect(executor.running).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test("without its summary counts as interrupted", () => {
    expect(summarise([]).outcome).toBe("interrupted");
  });

  test("leaves no listener on the caller's signals", async () => {
    const added: string[] = [];
    const removed: string[] = [];
    class CountedSignal extends EventTarget {
      override addEventListener(...args: Parameters<EventTarget["addEventListener"]>): void {
        added.push(args[0]);
        super.addEventListener(...args);
      }
      override removeEventListener(...args: Parameters<EventTarget["removeEventListener"]>): void {
        removed.push(args[0]);
        super.removeEventListener(...args);
      }
      readonly aborted = false;
      readonly reason: unknown = undefined;
      onabort = null;
      throwIfAborted(): void {
        return;
      }
    }
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(clock, () => 1);
    const options = { executor, clock, signal: new CountedSignal(), cancelSignal: new CountedSignal() };
    await clock.drive(runPlan(twoInARow, options));
    expect(added).toEqual(["abort", "abort"]);
    expect(removed).toEqual(["abort", "abort"]);
  });
});

describe("the number of jobs", () => {
  test("is by default the number of cores and four more, at most 32", () => {
    expect(defaultJobs()).toBeGreaterThanOrEqual(5);
    expect(defaultJobs()).toBeLessThanOrEqual(32);
  });

  test.each([0, -1, 1.5, Number.NaN])("may not be %d", (jobs) => {
    expect(() => runPlan(twoInARow, { executor: new HeldExecutor(), jobs })).toThrow(
      expect.objectContaining({ code: "USAGE" }),
    );
  });
});

test("a timer longer than Node can set does not fire at once", async () => {
  let fired = false;
  const stop = systemClock.after(30 * 86_400_000, () => (fired = true));
  await new Promise((resolve) => systemClock.after(5, () => resolve(undefined)));
  stop();
  expect(fired).toBe(false);
});

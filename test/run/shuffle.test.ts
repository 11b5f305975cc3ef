import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findPair, oneByOne, runPlan, seeded, shuffleWeights } from "../../src/run/index.js";
import type { Shuffle } from "../../src/run/index.js";
import { SleepingExecutor } from "./support/fake-executor.js";
import { planOf } from "./support/plan-of.js";
import { randomRun, type RandomRun } from "./support/random-run.js";
import { VirtualClock } from "./support/virtual-clock.js";

const seed = fc.nat(0xffffffff);

function namesOf({ plan }: Pick<RandomRun, "plan">): string[] {
  return plan.steps.map(({ unit }) => unit.name);
}

function orderOf({ plan }: Pick<RandomRun, "plan">, shuffle: Shuffle): string[] {
  const names = namesOf({ plan });
  return oneByOne(plan.dag, shuffleWeights(names, shuffle)).map((step) => names[step] ?? "");
}

function listed(units: readonly string[]): Shuffle {
  return { kind: "order", text: "", units };
}

function breaches(order: readonly string[], edges: RandomRun["edges"]): number {
  const place = new Map(order.map((name, at) => [name, at]));
  return edges.filter(([from, to]) => (place.get(from) ?? 0) >= (place.get(to) ?? 0)).length;
}

/** The units in the order in which a run started them, one at a time. */
async function startedOf({ plan, durationMs }: RandomRun, shuffle: Shuffle): Promise<string[]> {
  const clock = new VirtualClock();
  const executor = new SleepingExecutor(clock, (name) => durationMs.get(name) ?? 0);
  const { events, jobs } = await clock.drive(runPlan(plan, { executor, shuffle, clock }));
  expect(jobs).toBe(1);
  expect(events[0]).toMatchObject({ type: "plan", shuffle: shuffle.text });
  return events.flatMap((event) => (event.type === "start" ? [event.unit] : []));
}

describe("a shuffled run", () => {
  test("starts every unit once, in an order that all relations allow, and that the seed alone decides", async () => {
    await fc.assert(
      fc.asyncProperty(randomRun, seed, async (random, value) => {
        const started = await startedOf(random, seeded(value));
        expect(started.toSorted()).toEqual(namesOf(random).toSorted());
        expect(breaches(started, random.edges)).toBe(0);
        expect(started).toEqual(orderOf(random, seeded(value)));
      }),
      { numRuns: 500 },
    );
  });

  test("respects the relations with several units at a time too", async () => {
    await fc.assert(
      fc.asyncProperty(randomRun, seed, async ({ plan, edges, durationMs, jobs }, value) => {
        const clock = new VirtualClock();
        const executor = new SleepingExecutor(clock, (name) => durationMs.get(name) ?? 0);
        const events = runPlan(plan, { executor, shuffle: seeded(value), jobs, clock });
        const report = await clock.drive(events);
        const place = new Map(
          report.events.map((event, at) => ["unit" in event ? `${event.type} ${event.unit}` : "", at]),
        );
        for (const [from, to] of edges) {
          expect(place.get(`end ${from}`)).toBeLessThan(place.get(`start ${to}`) ?? -1);
        }
        expect(executor.mostRunning).toBeLessThanOrEqual(jobs);
      }),
      { numRuns: 200 },
    );
  });

  test("follows a legal order that is given to the letter", async () => {
    await fc.assert(
      fc.asyncProperty(randomRun, seed, async (random, value) => {
        const order = orderOf(random, seeded(value));
        expect(await startedOf(random, listed(order))).toEqual(order);
      }),
      { numRuns: 200 },
    );
  });

  test("takes every one of the legal orders, with some seed", () => {
    const random = { plan: planOf({ a: {}, b: {}, c: {}, d: { after: ["a"] } }) };
    const seen = new Set(Array.from({ length: 400 }, (_, value) => orderOf(random, seeded(value)).join("")));
    expect(seen.size).toBe(12);
  });

  test("keeps the order of the others when a unit comes", () => {
    const few = { plan: planOf({ a: {}, b: {}, c: {}, d: {}, e: {} }) };
    const more = { plan: planOf({ a: {}, new: {}, b: {}, c: {}, d: {}, e: {} }) };
    for (let value = 0; value < 50; value++) {
      const others = orderOf(more, seeded(value)).filter((name) => name !== "new");
      expect(others).toEqual(orderOf(few, seeded(value)));
    }
  });

  test("says nothing of a shuffle when there was none, and runs more than one at a time", async () => {
    const clock = new VirtualClock();
    const executor = new SleepingExecutor(clock, () => 10);
    const events = runPlan(planOf({ a: {}, b: {} }), { executor, clock });
    const report = await clock.drive(events);
    expect(report.durationMs).toBe(10);
    expect(report.events[0]).not.toHaveProperty("shuffle");
  });
});

describe("the search for the pair", () => {
  test("tries legal orders alone, few of them, and ends with two neighbours that make the difference", async () => {
    let found = 0;
    await fc.assert(
      fc.asyncProperty(randomRun, seed, seed, fc.nat(1000), async (random, one, other, which) => {
        const [failing, passing] = [orderOf(random, seeded(one)), orderOf(random, seeded(other))];
        const place = new Map(passing.map((name, at) => [name, at]));
        const inverted = failing.flatMap((a, at) =>
          failing
            .slice(at + 1)
            .flatMap((b) => ((place.get(a) ?? 0) > (place.get(b) ?? 0) ? [[a, b] as const] : [])),
        );
        const planted = inverted[which % Math.max(inverted.length, 1)];
        let tries = 0;
        const fails = (order: readonly string[]): boolean =>
          planted !== undefined && order.indexOf(planted[0]) < order.indexOf(planted[1]);
        const answer = await findPair(failing, passing, (order) => {
          tries++;
          expect(breaches(order, random.edges)).toBe(0);
          return Promise.resolve(fails(order));
        });
        if (planted === undefined) {
          expect(answer).toBeUndefined();
          return;
        }
        found++;
        expect(answer?.pair).toEqual({ first: planted[0], then: planted[1] });
        expect(fails(answer?.failing ?? [])).toBe(true);
        expect(fails(answer?.passing ?? [])).toBe(false);
        expect(tries).toBeLessThanOrEqual(Math.ceil(Math.log2(inverted.length + 1)));
      }),
      { numRuns: 500 },
    );
    expect(found).toBeGreaterThan(200);
  });
});

import fc from "fast-check";
import type { Plan } from "../../../src/graph/index.js";
import { planOf, type StepSketch } from "./plan-of.js";

/** A plan, what its steps take, and what the runner expects of them. */
export interface RandomRun {
  readonly plan: Plan;
  readonly edges: readonly (readonly [string, string])[];
  readonly durationMs: ReadonlyMap<string, number>;
  /** Made up, so that the ready steps come out in an order that has nothing to do with what they take. */
  readonly recordedMs: ReadonlyMap<string, number>;
  readonly jobs: number;
}

const MOST_STEPS = 14;

/** A random DAG, a barrier in some, with random durations and a random order among what is ready. */
export const randomRun: fc.Arbitrary<RandomRun> = fc
  .record({
    count: fc.integer({ min: 1, max: MOST_STEPS }),
    links: fc.array(fc.tuple(fc.nat(MOST_STEPS - 1), fc.nat(MOST_STEPS - 1)), { maxLength: 30 }),
    durations: fc.array(fc.nat(9), { minLength: MOST_STEPS, maxLength: MOST_STEPS }),
    recorded: fc.array(fc.nat(1000), { minLength: MOST_STEPS, maxLength: MOST_STEPS }),
    barrierAt: fc.option(fc.nat(MOST_STEPS)),
    jobs: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ count, links, durations, recorded, barrierAt, jobs }) => {
    const names = Array.from({ length: count }, (_, index) => `u${index}`);
    const name = (index: number): string => names[index % count] ?? "";
    const within = links
      .map(([a, b]) => [a % count, b % count] as const)
      .filter(([a, b]) => a !== b)
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    const sketches: Record<string, StepSketch> = {};
    for (const [index, unit] of names.entries()) {
      sketches[unit] = { after: within.filter(([, to]) => to === index).map(([from]) => name(from)) };
    }
    const cut = barrierAt === null ? 0 : Math.min(barrierAt, count);
    const barrier = { from: names.slice(0, cut), to: names.slice(cut) };
    const edges = [
      ...within.map(([from, to]) => [name(from), name(to)] as const),
      ...barrier.from.flatMap((from) => barrier.to.map((to) => [from, to] as const)),
    ];
    return {
      plan: planOf(sketches, { barriers: [barrier] }),
      edges,
      durationMs: new Map(names.map((unit, index) => [unit, durations[index] ?? 0])),
      recordedMs: new Map(names.map((unit, index) => [unit, recorded[index] ?? 0])),
      jobs,
    };
  });

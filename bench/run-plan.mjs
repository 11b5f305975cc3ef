/**
 * Runs plans of sleeping tasks and compares how long they take with an ideal list schedule of the same plan.
 * That is a simulation in which starting, ending and waking up cost nothing. Needs the build.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { collect, runPlan } from "../dist/run/index.js";

const JOBS = 8;

/** A shape is the durations of its steps and their edges, from lower to higher numbers. */
const SHAPES = {
  random: () => {
    const random = generator(1);
    const durationsMs = randomDurations(random, 70);
    const edges = [];
    for (let to = 1; to < durationsMs.length; to++) {
      for (let count = 0; count < 2; count++) edges.push([Math.floor(random() * to), to]);
    }
    return { durationsMs, edges };
  },
  wide: () => ({ durationsMs: randomDurations(generator(2), 96), edges: [] }),
  deep: () => {
    const durationsMs = randomDurations(generator(3), 16);
    return { durationsMs, edges: durationsMs.slice(1).map((_, index) => [index, index + 1]) };
  },
  "fork-join": () => {
    const width = 10;
    const durationsMs = randomDurations(generator(4), 5 * (width + 1) + 1);
    const edges = [];
    for (let join = 0; join + width + 1 < durationsMs.length; join += width + 1) {
      for (let part = join + 1; part <= join + width; part++)
        edges.push([join, part], [part, join + width + 1]);
    }
    return { durationsMs, edges };
  },
};

/**
 * @returns one entry a shape: the measured time, the ideal time, and their ratio
 */
export async function benchRunPlan() {
  const results = [];
  for (const [shape, make] of Object.entries(SHAPES)) {
    const { durationsMs, edges } = make();
    const idealMs = listScheduleMs(durationsMs, edges, JOBS);
    const measuredMs = await measure(durationsMs, edges);
    results.push({ shape, idealMs, measuredMs, ratio: measuredMs / idealMs });
  }
  return results;
}

async function measure(durationsMs, edges) {
  const names = durationsMs.map((_, index) => `task-${index}`);
  const executor = { execute: (step) => sleep(durationsMs[step.unit.order]) };
  const recorded = new Map(names.map((name, index) => [name, durationsMs[index]]));
  const report = await collect(
    runPlan(planOf(names, edges), { executor, jobs: JOBS, durationsMs: recorded }),
  );
  if (!report.ok) throw new Error("the plan failed");
  return report.durationMs;
}

/** As much of a plan as running it takes. */
function planOf(names, edges) {
  const units = names.map((name, order) => ({
    kind: "task",
    name,
    order,
    provides: [],
    requires: [],
    needs: [],
  }));
  const outgoing = names.map(() => []);
  for (const [from, to] of edges) outgoing[from].push(to);
  const offsets = Uint32Array.from([0, ...outgoing.map((targets) => targets.length)]);
  for (let node = 0; node < names.length; node++) offsets[node + 1] += offsets[node];
  return {
    request: { kind: "start", roots: names },
    steps: units.map((unit) => ({ action: "run", unit })),
    dag: {
      stepCount: names.length,
      nodeCount: names.length,
      offsets,
      targets: Uint32Array.from(outgoing.flat()),
    },
  };
}

/** When the last step ends if the ready step with the longest remaining path takes every slot as it becomes free. */
function listScheduleMs(durationsMs, edges, jobs) {
  const waitsFor = durationsMs.map(() => 0);
  const outgoing = durationsMs.map(() => []);
  for (const [from, to] of edges) {
    waitsFor[to]++;
    outgoing[from].push(to);
  }
  const remaining = [...durationsMs];
  for (let step = durationsMs.length - 1; step >= 0; step--) {
    remaining[step] += Math.max(0, ...outgoing[step].map((target) => remaining[target]));
  }
  const ready = [...durationsMs.keys()].filter((step) => waitsFor[step] === 0);
  const running = [];
  let nowMs = 0;
  while (ready.length > 0 || running.length > 0) {
    ready.sort((a, b) => remaining[b] - remaining[a] || a - b);
    while (running.length < jobs && ready.length > 0) {
      const step = ready.shift();
      running.push({ step, endMs: nowMs + durationsMs[step] });
    }
    running.sort((a, b) => a.endMs - b.endMs);
    const { step, endMs } = running.shift();
    nowMs = endMs;
    for (const target of outgoing[step]) if (--waitsFor[target] === 0) ready.push(target);
  }
  return nowMs;
}

/** Long enough that the granularity of timers, a millisecond, is no more than a hundredth. */
function randomDurations(random, count) {
  return Array.from({ length: count }, () => 80 + Math.floor(random() * 120));
}

/** The same numbers in every run (mulberry32). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { shape, idealMs, measuredMs, ratio } of await benchRunPlan()) {
    console.log(
      `${shape.padEnd(10)} ${measuredMs.toFixed(0)} ms, ideal ${idealMs} ms, ratio ${ratio.toFixed(3)}`,
    );
  }
}

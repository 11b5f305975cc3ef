import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inOrder, type LoadOrder, takeDownOrder } from "../../../src/broker/modules/take-down-order.js";

/** An order from pairs of what comes first and what comes then. */
function order(nodes: readonly string[], pairs: readonly (readonly [number, number])[]): LoadOrder {
  const offsets = new Uint32Array(nodes.length + 1);
  const targets: number[] = [];
  for (let node = 0; node < nodes.length; node++) {
    for (const [first, then] of pairs) if (first === node) targets.push(then);
    offsets[node + 1] = targets.length;
  }
  return { nodes, offsets, targets: Uint32Array.from(targets) };
}

/** The sets of modules that go at the same time, one after the other. */
async function waves(taken: LoadOrder): Promise<string[][]> {
  const result: string[][] = [];
  let wave: { names: string[]; done: (() => void)[] } = { names: [], done: [] };
  const all = inOrder(taken, async (name) => {
    wave.names.push(name);
    await new Promise<void>((done) => wave.done.push(done));
  });
  while (wave.names.length > 0) {
    const ended = wave;
    wave = { names: [], done: [] };
    result.push(ended.names.sort());
    ended.done.forEach((done) => done());
    await new Promise((done) => setImmediate(done));
  }
  await all;
  return result;
}

const two = order(
  ["content", "", "kvs", "watch"],
  [
    [0, 1],
    [1, 2],
    [2, 3],
  ],
);

describe("what was loaded", () => {
  test("by one plan goes in the reverse of its order, past its tasks, and at once where that allows", async () => {
    const plan = order(
      ["content", "", "kvs", "watch", "cron"],
      [
        [0, 1],
        [1, 2],
        [2, 3],
      ],
    );
    const loaded = ["content", "kvs", "watch", "cron"].map((name) => ({ name, turn: 1 }));
    expect(await waves(takeDownOrder(loaded, [plan]))).toEqual([["cron", "watch"], ["kvs"], ["content"]]);
  });

  test("later by name goes first, last in, first out", async () => {
    const loaded = [
      { name: "content", turn: 1 },
      { name: "kvs", turn: 1 },
      { name: "x", turn: 2 },
      { name: "y", turn: 3 },
    ];
    expect(await waves(takeDownOrder(loaded, [two]))).toEqual([["y"], ["x"], ["kvs"], ["content"]]);
  });

  test("anew by name still outlives what its plan loaded after it", async () => {
    const loaded = [
      { name: "kvs", turn: 1 },
      { name: "watch", turn: 1 },
      { name: "content", turn: 5 },
    ];
    expect(await waves(takeDownOrder(loaded, [two]))).toEqual([["watch"], ["kvs"], ["content"]]);
  });

  test("by plans that disagree goes all the same", async () => {
    const loaded = [
      { name: "a", turn: 1 },
      { name: "b", turn: 2 },
    ];
    const plans = [order(["a", "b"], [[0, 1]]), order(["a", "b"], [[1, 0]])];
    expect((await waves(takeDownOrder(loaded, plans))).flat().sort()).toEqual(["a", "b"]);
  });

  test("is nothing: nothing is done", async () => {
    expect(await waves(takeDownOrder([], []))).toEqual([]);
  });
});

test("every module goes once, and none before what its plan loaded after it", async () => {
  const name = fc.integer({ min: 0, max: 7 }).map((n) => `m${n}`);
  const scenario = fc.record({
    loaded: fc.uniqueArray(fc.record({ name, turn: fc.integer({ min: 1, max: 4 }) }), {
      selector: (module) => module.name,
    }),
    // Edges go up only, so that the plan has no ring.
    pairs: fc.array(fc.tuple(fc.nat(9), fc.nat(9)).filter(([first, then]) => first < then)),
    tasks: fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ loaded, pairs, tasks }) => {
      const nodes = Array.from({ length: 10 }, (_, i) => (tasks.includes(i) ? "" : `m${i}`));
      const gone: string[] = [];
      await inOrder(takeDownOrder(loaded, [order(nodes, pairs)]), async (module) => {
        await Promise.resolve();
        gone.push(module);
      });
      expect([...gone].sort()).toEqual(loaded.map((module) => module.name).sort());
      for (const [first, then] of pairs) {
        const [earlier, later] = [gone.indexOf(nodes[first] ?? ""), gone.indexOf(nodes[then] ?? "")];
        if (earlier >= 0 && later >= 0) expect(later).toBeLessThan(earlier);
      }
    }),
  );
});

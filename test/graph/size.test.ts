import { describe, expect, test } from "vitest";
import { moduleName, syntheticRelations } from "../../bench/plan-synthetic.mjs";
import { dependencyTree, plan, type PlanRequest, reasonText, treeLines } from "../../src/graph/index.js";
import { catalogOf, type UnitLiteral } from "../helpers/catalog.js";
import { FACTS } from "./arbitrary.js";
import { valueOf } from "./results.js";

const MANY = 200_000;

/** Each unit requires, needs and follows the one before it; the first is not meant for rank 1. */
const CHAIN = catalogOf(
  Array.from({ length: MANY }, (_, i): UnitLiteral => {
    const previous = i === 0 ? [] : [`u${i - 1}`];
    return {
      name: `u${i}`,
      requires: previous,
      needs: previous,
      after: previous,
      ranks: i === 0 ? "0" : "all",
    };
  }),
);
const TOP = `u${MANY - 1}`;

function startAll(units: readonly UnitLiteral[]) {
  return valueOf(plan(catalogOf(units), { roots: units.map(({ name }) => name), facts: FACTS }));
}

/** The least processor time of some attempts, in milliseconds: other processes can only add to it. */
function leastTime(attempts: number, work: () => unknown): number {
  let least = Infinity;
  for (let i = 0; i < attempts; i++) {
    const start = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(start);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

describe("a chain of 200,000 units", () => {
  test("is brought in by its last unit and put in order", () => {
    const made = valueOf(plan(CHAIN, { roots: [TOP], facts: FACTS }));
    expect(made.steps.length).toBe(MANY);
    expect(made.steps[0]?.unit.name).toBe("u0");
    expect(made.steps.at(-1)?.unit.name).toBe(TOP);
    const explanation = made.explain("u0");
    expect(explanation?.kind === "planned" ? explanation.chain.length : 0).toBe(MANY);
  });

  test("falls when its first unit does, each with the whole chain as its reason", () => {
    const roots = CHAIN.units.map(({ name }) => name);
    const made = valueOf(plan(CHAIN, { roots, facts: { ...FACTS, rank: 1 } }));
    expect(made.steps).toEqual([]);
    expect(made.leftOut.size).toBe(MANY);
    const reason = made.leftOut.get(TOP);
    expect(reason === undefined ? "" : reasonText(reason)).toMatch(/^needs u199998, .*: …$/);
    let length = 0;
    for (let link = reason; link?.kind === "need"; length++) link = link.because?.reason;
    expect(length).toBe(MANY - 1);
  });

  test("whose units require each other falls when their needs fail one after another", () => {
    // All are one component; each second unit goes only when the one before it has orphaned what it needs.
    const units = Array.from({ length: MANY / 10 }, (_, i): UnitLiteral[] => [
      {
        name: `u${i}`,
        requires: [...(i > 0 ? [`u${i - 1}`] : []), ...(i + 1 < MANY / 10 ? [`u${i + 1}`] : []), `y${i}`],
        needs: [i + 1 < MANY / 10 ? `y${i + 1}` : "idle"],
      },
      { name: `y${i}` },
    ]).flat();
    const catalog = catalogOf([...units, { name: "idle" }]);
    const made = valueOf(plan(catalog, { roots: ["u0"], facts: FACTS }));
    expect(made.steps).toEqual([]);
  });

  test("is drawn as a tree line by line", () => {
    const tree = valueOf(dependencyTree(CHAIN, FACTS, TOP, { full: true }));
    const [root, child] = treeLines(tree);
    expect([root, child]).toEqual([TOP, `└── u${MANY - 2}`]);
    let depth = 0;
    for (const row of tree.rows()) depth = row.depth;
    expect(depth).toBe(MANY - 1);
  });

  test("is removed from its foot with all that uses it", () => {
    const loaded = CHAIN.units.map(({ name }) => ({ name, services: [], explicit: name === TOP }));
    const request: PlanRequest = { kind: "remove", modules: ["u0"], recursive: true };
    const made = valueOf(plan(CHAIN, { request, facts: FACTS, loaded }));
    expect(made.steps.length).toBe(MANY);
    expect(made.steps[0]?.unit.name).toBe(TOP);
  });
});

describe("many units", () => {
  test("of which thousands provide one service and thousands name it need no product of edges", () => {
    const providers = Array.from({ length: 4_000 }, (_, i) => ({ name: `p${i}`, provides: ["s"] }));
    const users = Array.from({ length: 4_000 }, (_, i) => ({ name: `u${i}`, after: ["s"], before: ["t"] }));
    const late = Array.from({ length: 2_000 }, (_, i) => ({ name: `l${i}`, provides: ["t"] }));
    const { dag } = startAll([...providers, ...users, ...late]);
    expect(dag.stepCount).toBe(10_000);
    expect(dag.targets.length).toBeLessThan(20_000);
  });

  test("with wildcards need few edges more than without", () => {
    const plain = Array.from({ length: 50_000 }, (_, i) => ({ name: `u${i}` }));
    const wild = Array.from({ length: 20 }, (_, i): UnitLiteral[] => [
      { name: `first${i}`, kind: "task", before: ["*"] },
      { name: `last${i}`, kind: "task", after: ["*"] },
    ]).flat();
    const { dag, steps } = startAll([...plain, ...wild]);
    expect(dag.nodeCount).toBe(50_042);
    expect(dag.targets.length).toBeLessThan(110_000);
    expect(steps.slice(0, 20).every(({ unit }) => unit.name.startsWith("first"))).toBe(true);
    expect(steps.slice(-20).every(({ unit }) => unit.name.startsWith("last"))).toBe(true);
  });

  test("take time in proportion to their number", () => {
    const catalogs = [2_000, 20_000].map((count) =>
      syntheticRelations(count).map(({ requires, after, needs }, i) => ({
        name: moduleName(i),
        requires: requires.map(moduleName),
        after: after.map(moduleName),
        needs: needs.map(moduleName),
      })),
    );
    const [few = 0, many = 0] = catalogs.map((units) => {
      const roots = units.map(({ name }) => name);
      const catalog = catalogOf(units);
      // A copy each time: the index of a catalog is kept for the next plan.
      return leastTime(4, () => plan({ ...catalog }, { roots, facts: FACTS }));
    });
    // Quadratic steps would make it a hundred times; the benchmarks hold it to twelve.
    expect(many / few).toBeLessThan(30);
  });
});

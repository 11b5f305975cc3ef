import fc from "fast-check";
import { expect, test } from "vitest";
import { applyChange, findRemedies, type Plan, plan, type StartInput } from "../../../src/graph/index.js";
import { catalogOf } from "../../helpers/catalog.js";
import { runs } from "../../helpers/property-runs.js";
import { type Case, cases } from "../arbitrary.js";
import { everyChange } from "../every-change.js";
import { valueOf } from "../results.js";

function inputOf({ units, alternatives, roots, enabled, facts }: Case): StartInput {
  return { catalog: catalogOf(units, alternatives), facts, roots, enabled };
}

function planOf({ catalog, facts, roots, enabled }: StartInput): Plan | undefined {
  const planned = plan(catalog, { request: { kind: "start", roots }, facts, enabled });
  return planned.ok ? planned.value : undefined;
}

function isIn(made: Plan | undefined, unit: string): boolean {
  return made?.steps.some((step) => step.unit.name === unit) === true;
}

test("a suggested change really brings the unit in, with as few changes as any; where there is none, none of one or two does", () => {
  const counts = { one: 0, two: 0, none: 0 };
  let catalogs = 0;
  fc.assert(
    fc.property(cases({ withOrder: true, maxUnits: 4 }), (given) => {
      const input = inputOf(given);
      const current = planOf(input);
      const unit = [...(current?.leftOut.keys() ?? [])].at(0);
      if (current === undefined || unit === undefined) return;
      catalogs += 1;
      const { remedies, isExhaustive } = findRemedies(input, current, unit);
      expect(isExhaustive).toBe(true);
      for (const { changes, alsoIn, thenOut } of remedies) {
        const after = planOf(changes.reduce(applyChange, input));
        expect(isIn(after, unit)).toBe(true);
        for (const name of alsoIn) expect([isIn(current, name), isIn(after, name)]).toEqual([false, true]);
        for (const name of thenOut) expect([isIn(current, name), isIn(after, name)]).toEqual([true, false]);
      }
      const size = remedies[0]?.changes.length ?? 3;
      counts[size === 1 ? "one" : size === 2 ? "two" : "none"] += 1;
      const works = (changed: StartInput): boolean => isIn(planOf(changed), unit);
      const all = everyChange(input);
      if (size > 1) expect(all.filter((change) => works(applyChange(input, change)))).toEqual([]);
      if (size > 2) {
        for (const first of all) {
          const changed = applyChange(input, first);
          const second = all.find((change) => works(applyChange(changed, change)));
          expect(second === undefined ? undefined : [first, second]).toBeUndefined();
        }
      }
    }),
    { ...runs(500), endOnFailure: true },
  );
  expect(catalogs).toBeGreaterThan(100);
  // The cases are worth something: each outcome occurs.
  expect(counts.one).toBeGreaterThan(25);
  expect(counts.two).toBeGreaterThan(2);
  expect(counts.none).toBeGreaterThan(0);
});

test("fault-G8: no remedy selects a unit for its own name, which says what another remedy says", () => {
  const units = [
    { name: "x", provides: ["sched"], priority: 50 },
    { name: "y", provides: ["sched", "extra"] },
    { name: "z", provides: ["extra"], priority: 1, needs: ["x"] },
  ];
  const facts = { rank: 0, size: 1, config: {}, attrs: {}, env: {} };
  const input = inputOf({ units, alternatives: [], roots: ["sched"], enabled: [], facts });
  const current = valueOf(plan(input.catalog, { roots: input.roots, facts }));
  const { remedies } = findRemedies(input, current, "x");
  const changes = remedies.flatMap((remedy) => remedy.changes);
  expect(changes).toContainEqual({ kind: "alternative", service: "sched", unit: "x" });
  expect(changes).not.toContainEqual({ kind: "alternative", service: "x", unit: "x" });
});

test("a search that may not try everything says so rather than that nothing helps", () => {
  const units = Array.from({ length: 40 }, (_, i) => ({
    name: `u${i}`,
    needs: [`u${i + 1}`, "ghost", "lost"],
  }));
  const input = inputOf({
    units,
    alternatives: [],
    roots: ["u0"],
    enabled: [],
    facts: { rank: 0, size: 1, config: {}, attrs: {}, env: {} },
  });
  const current = valueOf(plan(input.catalog, { roots: input.roots, facts: input.facts }));
  const advice = findRemedies(input, current, "u0", { budget: 80 });
  expect(advice).toEqual({ remedies: [], isExhaustive: false, tried: 2 });
});

test("a fact is set and unset at any depth without touching its neighbours", () => {
  const facts = {
    rank: 0,
    size: 1,
    config: { a: { b: 1, c: { d: 2 } }, e: 3 },
    attrs: { x: "1" },
    env: { Y: "1" },
  };
  const input: StartInput = { catalog: catalogOf([]), facts, roots: [], enabled: [] };
  const config = (name: string, set: boolean) =>
    applyChange(input, { kind: "fact", key: "needs-config", name, set }).facts.config;
  expect(config("a.c.d", false)).toEqual({ a: { b: 1, c: {} }, e: 3 });
  expect(config("a.c.n", true)).toEqual({ a: { b: 1, c: { d: 2, n: true } }, e: 3 });
  expect(config("e.f", true)).toEqual({ a: { b: 1, c: { d: 2 } }, e: { f: true } });
  const fact = (key: "needs-attrs" | "needs-env", name: string, set: boolean) =>
    applyChange(input, { kind: "fact", key, name, set }).facts;
  expect(fact("needs-attrs", "x", false).attrs).toEqual({});
  expect(fact("needs-attrs", "z", true).attrs).toEqual({ x: "1", z: "1" });
  expect(fact("needs-env", "Y", false).env).toEqual({ Y: undefined });
  expect(facts.config.a.c.d).toBe(2);
});

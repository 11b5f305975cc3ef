import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dryRunLines, type LoadedModule, plan, showDeps, type Step } from "../../src/graph/index.js";
import type { Unit } from "../../src/units/index.js";
import { catalogOf, type UnitLiteral } from "../helpers/catalog.js";
import { type Case, cases, FACTS } from "./arbitrary.js";
import { moduleNames, provides, request, running, RUNS } from "./requests.js";
import { errorsOf, valueOf } from "./results.js";

function remove(
  units: readonly UnitLiteral[],
  modules: readonly string[] | "all",
  loaded: readonly LoadedModule[],
  recursive = false,
) {
  return request(units, { kind: "remove", modules, recursive }, { loaded });
}

describe("a removal", () => {
  const units = [
    { name: "base" },
    { name: "mid", requires: ["base"], after: ["base"] },
    { name: "top", requires: ["mid"], after: ["mid"] },
  ];

  test("takes with it what nothing uses any more, in reverse order", () => {
    const made = valueOf(remove(units, ["top"], running("base", "mid", "top!")));
    expect(dryRunLines(made)).toEqual(["remove top", "remove mid", "remove base"]);
    expect(showDeps(made)).toEqual({ top: [], mid: ["top"], base: ["mid"] });
    expect([...made.leftOut]).toEqual([]);
  });

  test("is refused while something that stays uses the module, and names the users", () => {
    const more = [...units, { name: "other", requires: ["base"] }];
    const errors = errorsOf(remove(more, ["base"], running("base", "mid", "top!", "other!")));
    expect(errors.map(({ code, message }) => [code, message])).toEqual([
      ["GRAPH_IN_USE", "base still in use by mid, other"],
    ]);
  });

  test("takes the users too when recursive, and what then nothing uses", () => {
    const more = [...units, { name: "own", requires: ["aside"] }, { name: "aside" }];
    const loaded = running("base", "mid", "top!", "own!", "aside");
    const made = valueOf(remove(more, ["base"], loaded, true));
    expect(dryRunLines(made)).toEqual(["remove top", "remove mid", "remove base"]);
  });

  test("judges several names together", () => {
    const loaded = running("base", "mid", "top!");
    expect(errorsOf(remove(units, ["mid"], loaded)).map(({ message }) => message)).toEqual([
      "mid still in use by top",
    ]);
    expect(dryRunLines(valueOf(remove(units, ["mid", "top"], loaded))).length).toBe(3);
  });

  test("is allowed while another staying module provides the service", () => {
    const shared = [
      { name: "p", provides: ["s"] },
      { name: "q", provides: ["s"] },
      { name: "user", requires: ["s"] },
    ];
    expect(dryRunLines(valueOf(remove(shared, ["q"], running("p", "q", "user!"))))).toEqual(["remove q"]);
    expect(dryRunLines(valueOf(remove(shared, ["s"], running("p", "q", "user!"))))).toEqual(["remove q"]);
  });

  test("of what is not loaded is an error, each by name", () => {
    const errors = errorsOf(remove(units, ["mid", "ghost"], running("base!")));
    expect(errors.map(({ code, message }) => [code, message])).toEqual([
      ["GRAPH_NOT_LOADED", "module ghost is not loaded"],
      ["GRAPH_NOT_LOADED", "module mid is not loaded"],
    ]);
  });

  test("of all takes every module that the catalog knows, and leaves strangers", () => {
    const made = valueOf(remove(units, "all", running("stranger", "top!", "mid", "base!")));
    expect(dryRunLines(made)).toEqual(["remove top", "remove mid", "remove base"]);
  });

  test("of a stranger by name removes it, and nothing else that stays", () => {
    const made = valueOf(remove(units, ["stranger"], running("base!", "stranger", "odd")));
    expect(dryRunLines(made)).toEqual(["remove stranger"]);
  });

  test("works when modules use each other in a ring", () => {
    const ring = [
      { name: "a", requires: ["b"] },
      { name: "b", requires: ["c"] },
      { name: "c", requires: ["a"] },
      { name: "user", requires: ["b"] },
    ];
    const loaded = running("a", "b", "c", "user!");
    expect(dryRunLines(valueOf(remove(ring, ["user"], loaded)))).toHaveLength(4);
    expect(dryRunLines(valueOf(remove(ring, ["c"], loaded, true)))).toHaveLength(4);
  });

  test("undoes a load", () => {
    let loads = 0;
    fc.assert(
      fc.property(cases({ withOrder: false }), ({ units: literals, alternatives, roots }) => {
        const catalog = catalogOf(literals, alternatives);
        const modules = roots.filter((name) => catalog.byName.get(name)?.kind === "module");
        const result = plan(catalog, { request: { kind: "load", modules }, facts: FACTS });
        if (!result.ok) return;
        const loaded = loadedBy(result.value.steps);
        if (loaded.length === 0) return;
        loads += 1;
        const asked = { kind: "remove", modules, recursive: false } as const;
        const undone = valueOf(plan(catalog, { request: asked, facts: FACTS, loaded }));
        expect(undone.steps.map(({ unit }) => unit.name).sort()).toEqual(
          loaded.map(({ name }) => name).sort(),
        );
      }),
      RUNS,
    );
    expect(loads).toBeGreaterThan(80);
  });

  test("of any modules leaves what is explicit, or used by what stays, and nothing that lacks what it had", () => {
    fc.assert(
      fc.property(
        cases({ withOrder: false }),
        fc.array(fc.nat()),
        fc.boolean(),
        (given, numbers, recursive) => {
          checkRemoval(given, numbers, recursive);
        },
      ),
      RUNS,
    );
  });
});

function loadedBy(steps: readonly Step[]): LoadedModule[] {
  return steps.flatMap((step) =>
    step.action === "load" ? [{ name: step.unit.name, services: [], explicit: step.explicit }] : [],
  );
}

function checkRemoval({ units, roots }: Case, numbers: readonly number[], recursive: boolean): void {
  const catalog = catalogOf(units);
  const all = moduleNames(units);
  const loaded = all.map((name, i) => ({ name, services: [], explicit: (numbers[i] ?? 0) % 2 === 1 }));
  const modules = roots.filter((name) => all.includes(name));
  const result = plan(catalog, { request: { kind: "remove", modules, recursive }, facts: FACTS, loaded });
  const lookUp = (name: string): Unit[] => [catalog.byName.get(name)].filter((unit) => unit !== undefined);
  const runs = all.flatMap(lookUp);
  const providers = (service: string, among: readonly Unit[]): Unit[] =>
    among.filter((unit) => provides(unit, service));
  const isExplicit = (unit: Unit): boolean =>
    loaded.some(({ name, explicit }) => explicit && name === unit.name) && !modules.includes(unit.name);
  if (!result.ok) {
    expect(recursive).toBe(false);
    expect(result.diagnostics.every(({ code }) => code === "GRAPH_IN_USE")).toBe(true);
    return;
  }
  // The greatest set that is reachable, has what it had, and is without the named: by passes.
  let staying = runs.filter((unit) => !modules.includes(unit.name));
  for (let before = -1; before !== staying.length;) {
    before = staying.length;
    const reached = new Set(staying.filter(isExplicit));
    for (const unit of reached) {
      for (const one of unit.requires.flatMap((service) => providers(service, staying))) reached.add(one);
    }
    staying = staying.filter(
      (unit) =>
        reached.has(unit) &&
        unit.requires.every(
          (service) => providers(service, runs).length === 0 || providers(service, staying).length > 0,
        ),
    );
  }
  const gone = result.value.steps.map(({ unit }) => unit.name);
  expect([...gone].sort()).toEqual(
    runs
      .filter((unit) => !staying.includes(unit))
      .map(({ name }) => name)
      .sort(),
  );
}

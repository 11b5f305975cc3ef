import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dryRunLines, type LoadedModule, plan } from "../../src/graph/index.js";
import { type Catalog, rankSetHas, type Unit } from "../../src/units/index.js";
import { catalogOf, type UnitLiteral } from "../helpers/catalog.js";
import { cases, FACTS } from "./arbitrary.js";
import { type RequestContext, moduleNames, provides, request, running, RUNS } from "./requests.js";
import { errorsOf, valueOf } from "./results.js";

function load(units: readonly UnitLiteral[], modules: readonly string[], context: RequestContext = {}) {
  return dryRunLines(valueOf(request(units, { kind: "load", modules }, context)));
}

describe("an explicit load", () => {
  test("loads what is named though disabled, off-rank and with unmet conditions", () => {
    const units = [{ name: "a", disabled: true, ranks: "7", needsAttrs: ["unset"], args: ["x=1"] }];
    expect(load(units, ["a"])).toEqual(["load a x=1"]);
  });

  test("warns about needs of what is named that nothing loaded provides", () => {
    const units = [
      { name: "a", needs: ["b", "c", "d"], requires: ["c"] },
      { name: "b" },
      { name: "c" },
      { name: "d" },
    ];
    const result = request(units, { kind: "load", modules: ["a"] }, { loaded: running("d") });
    const [warning, ...others] = result.ok ? result.warnings : [];
    expect(others).toEqual([]);
    expect(warning).toMatchObject({ code: "GRAPH_NEEDS_UNMET", severity: "warning" });
    expect(warning?.message).toContain("a needs b, not loaded");
    expect(dryRunLines(valueOf(result))).toEqual(["load a", "load c"]);
  });

  test("fault-F4: warns which requirement of what is loaded stays out, and why", () => {
    const units = [
      { name: "exec", requires: ["bus", "x"], needsConfig: ["on"] },
      { name: "bus", needsConfig: ["on"] },
      { name: "x1", provides: ["x"], requires: ["y"] },
      { name: "y", ranks: "7" },
    ];
    const result = request(units, { kind: "load", modules: ["exec"] });
    expect(dryRunLines(valueOf(result))).toEqual(["load exec", "load x1"]);
    const warnings = result.ok ? result.warnings : [];
    expect(warnings.map(({ code, severity, message }) => ({ code, severity, message }))).toEqual([
      {
        code: "GRAPH_NEEDS_UNMET",
        severity: "warning",
        message: "exec requires bus, which stays out: needs-config on: not set",
      },
      {
        code: "GRAPH_NEEDS_UNMET",
        severity: "warning",
        message: "x1 requires y, which stays out: rank 0 is not in ranks 7",
      },
    ]);
    expect(warnings.map(({ location }) => location?.line)).toEqual([1, 3]);
    const loaded = request(units, { kind: "load", modules: ["exec"] }, { loaded: running("bus", "y") });
    expect(loaded.ok && loaded.warnings).toEqual([]);
  });

  test("fault-F4: does not warn of a requirement that is for other ranks of the instance", () => {
    const units = [
      { name: "content", requires: ["backing"] },
      { name: "backing", ranks: "1" },
    ];
    const warnings = (size: number): readonly string[] => {
      const result = request(units, { kind: "load", modules: ["content"] }, { size });
      return result.ok ? result.warnings.map(({ message }) => message) : ["refused"];
    };
    expect(warnings(2)).toEqual([]);
    expect(warnings(1)).toEqual(["content requires backing, which stays out: rank 0 is not in ranks 1"]);
  });

  test("marks as explicit what is named, and nothing else", () => {
    const made = valueOf(
      request([{ name: "a", requires: ["b"] }, { name: "b" }], { kind: "load", modules: ["a"] }),
    );
    expect(made.steps.map((step) => step.action === "load" && step.explicit)).toEqual([true, false]);
    expect([...made.leftOut]).toEqual([]);
  });

  test("takes enabled providers first, and disabled ones where there is no other", () => {
    const units = [
      { name: "a", requires: ["s", "t"] },
      { name: "s1", provides: ["s"] },
      { name: "s2", provides: ["s"], priority: 900, disabled: true },
      { name: "t1", provides: ["t"], disabled: true },
    ];
    expect(load(units, ["a"])).toEqual(["load a", "load s1", "load t1"]);
    expect(load(units, ["a"], { alternatives: [["s", "s2"]] })).toEqual(["load a", "load s1", "load t1"]);
  });

  test("leaves out a requirement that lacks a need, unless a loaded module meets it", () => {
    const units = [{ name: "a", requires: ["b"] }, { name: "b", needs: ["c"] }, { name: "c" }];
    expect(load(units, ["a"])).toEqual(["load a"]);
    expect(load(units, ["a"], { loaded: running("c") })).toEqual(["load a", "load b"]);
  });

  test("makes a named provider the alternative for all its services", () => {
    const units = [
      { name: "plain", provides: ["s", "t"], priority: 1 },
      { name: "best", provides: ["s", "t"], priority: 900 },
      { name: "a", requires: ["s", "t"] },
    ];
    expect(load(units, ["a"])).toEqual(["load best", "load a"]);
    expect(load(units, ["a", "plain"])).toEqual(["load plain", "load a"]);
    expect(load(units, ["plain", "s"])).toEqual(["load plain"]);
  });

  test("has nothing to do where the module and its requirements run", () => {
    const units = [{ name: "a", requires: ["b"] }, { name: "b" }];
    expect(load(units, ["a"], { loaded: running("a", "b") })).toEqual([]);
    expect(load(units, ["a"], { loaded: running("a") })).toEqual(["load b"]);
  });

  test("counts services that a running module registered without declaring them", () => {
    const units = [{ name: "a", requires: ["s"] }, { name: "p", provides: ["s"] }, { name: "odd" }];
    const loaded = [{ name: "odd", services: ["s"], explicit: true }];
    expect(load(units, ["a"], { loaded })).toEqual(["load a"]);
    const stranger = [{ name: "stranger", services: ["s"], explicit: true }];
    expect(load(units, ["a"], { loaded: stranger })).toEqual(["load a"]);
    expect(load(units, ["stranger"], { loaded: stranger })).toEqual([]);
  });

  test("of a service loads its pick, be it off-rank for want of a better one", () => {
    const units = [
      { name: "p", provides: ["s"], ranks: "3" },
      { name: "q", provides: ["s"], ranks: "3", priority: 1 },
    ];
    expect(load(units, ["s"])).toEqual(["load p"]);
  });

  test("refuses unknown names and tasks", () => {
    const units: UnitLiteral[] = [
      { name: "job", kind: "task" },
      { name: "kvs", requires: ["ghost"] },
    ];
    const errors = errorsOf(request(units, { kind: "load", modules: ["job", "kvz", "kvs"] }));
    expect(errors.map(({ code }) => code)).toEqual(Array(3).fill("GRAPH_UNKNOWN_NAME"));
    expect(errors.map(({ message }) => message)).toEqual([
      "job is a task, not a module",
      "no such task or module kvz",
      "no such task or module ghost",
    ]);
  });

  test("of any modules beside any others keeps the rules", () => {
    fc.assert(
      fc.property(
        cases({ withOrder: false }),
        fc.array(fc.nat()),
        ({ units, alternatives, roots }, numbers) => {
          const catalog = catalogOf(units, alternatives);
          const modules = roots.filter((name) => catalog.byName.get(name)?.kind === "module");
          const loaded = running(
            ...new Set(numbers.flatMap((n) => moduleNames(units)[n % units.length] ?? [])),
          );
          const result = plan(catalog, { request: { kind: "load", modules }, facts: FACTS, loaded });
          if (!result.ok) {
            const errors = result.diagnostics.filter(({ severity }) => severity === "error");
            expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(["GRAPH_UNKNOWN_NAME"]));
            return;
          }
          checkLoad(catalog, modules, loaded, new Set(result.value.steps.map(({ unit }) => unit)));
        },
      ),
      RUNS,
    );
  });
});

/** What must hold of each unit that a load brings up. */
function checkLoad(
  catalog: Catalog,
  named: readonly string[],
  loaded: readonly LoadedModule[],
  steps: ReadonlySet<Unit>,
): void {
  const runs = catalog.units.filter(({ name }) => loaded.some((module) => module.name === name));
  for (const name of named) {
    expect(runs.some((unit) => unit.name === name) || [...steps].some((unit) => unit.name === name)).toBe(
      true,
    );
  }
  const present = [...runs, ...steps];
  for (const unit of steps) {
    expect(runs).not.toContain(unit);
    if (named.includes(unit.name)) continue;
    expect(rankSetHas(unit.ranks, FACTS.rank)).toBe(true);
    expect(unit.needsAttrs.every(({ key, negated }) => key in FACTS.attrs !== negated)).toBe(true);
    for (const need of unit.needs) expect(present.some((other) => provides(other, need))).toBe(true);
    // Something asks for it by a service that nothing running provides.
    const asked = present.flatMap(({ requires }) => requires).filter((service) => provides(unit, service));
    expect(asked.some((service) => !runs.some((other) => provides(other, service)))).toBe(true);
  }
}

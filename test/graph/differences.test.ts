import { describe, expect, test } from "vitest";
import {
  dependencyTree,
  dryRunLines,
  type LoadedModule,
  plan,
  renderTree,
  showDeps,
  verifyCatalog,
} from "../../src/graph/index.js";
import { type AlternativeLiteral, catalogOf, type UnitLiteral } from "../helpers/catalog.js";
import { FACTS } from "./arbitrary.js";
import { errorsOf, valueOf } from "./results.js";

/** The plan of a start. */
function start(
  units: readonly UnitLiteral[],
  roots: readonly string[],
  alternatives: AlternativeLiteral = [],
) {
  return valueOf(plan(catalogOf(units, alternatives), { roots, facts: FACTS }));
}

function namesOf(
  units: readonly UnitLiteral[],
  roots: readonly string[],
  alternatives: AlternativeLiteral = [],
) {
  return start(units, roots, alternatives).steps.map(({ unit }) => unit.name);
}

function load(
  units: readonly UnitLiteral[],
  modules: readonly string[],
  loaded: readonly LoadedModule[] = [],
) {
  const request = { kind: "load", modules } as const;
  return dryRunLines(valueOf(plan(catalogOf(units), { request, facts: FACTS, loaded })));
}

describe("where we part from flux-modprobe", () => {
  test("row 1: what a left-out unit requires is not loaded", () => {
    const units = [{ name: "a", disabled: true, requires: ["b"] }, { name: "b" }, { name: "c" }];
    expect(namesOf(units, ["a", "c"])).toEqual(["c"]);
    expect(start(units, ["a", "c"]).leftOut.get("b")).toEqual({ kind: "not-asked", requiredBy: ["a"] });
  });

  test("row 1: what a unit requires goes again with the unit that lost a need", () => {
    const units = [
      { name: "a", requires: ["b"], needs: ["idle"] },
      { name: "b", requires: ["c"] },
      { name: "c", requires: ["b"] },
      { name: "idle" },
    ];
    const made = start(units, ["a"]);
    expect(made.steps).toEqual([]);
    expect(made.leftOut.get("c")).toEqual({ kind: "not-asked", requiredBy: ["b"] });
  });

  test("row 2: needs count for every unit of the plan, however it got there", () => {
    const units = [
      { name: "a", requires: ["b"] },
      { name: "b", requires: ["c"] },
      { name: "c", needs: ["d"] },
      { name: "d", disabled: true },
    ];
    expect(namesOf(units, ["a"])).toEqual(["a", "b"]);
  });

  test("row 3: an unknown name in after or before is ignored, and verify warns", () => {
    const units = [{ name: "a", after: ["ghost"], before: ["gost"] }, { name: "ghosts" }];
    expect(namesOf(units, ["a"])).toEqual(["a"]);
    const warnings = verifyCatalog(catalogOf(units));
    expect(warnings.map(({ code, severity }) => [code, severity])).toEqual([
      ["UNIT_ORDER_ON_UNKNOWN", "warning"],
      ["UNIT_ORDER_ON_UNKNOWN", "warning"],
    ]);
    expect(warnings.map(({ location }) => location?.line)).toEqual([1, 1]);
    expect(warnings.map(({ hint }) => hint)).toContain("did you mean 'ghosts'?");
  });

  test("row 3: verify warns about a need that nothing provides, and the unit is left out", () => {
    const units = [{ name: "a", needs: ["ghost"] }, { name: "b" }];
    expect(start(units, ["a", "b"]).leftOut.get("a")).toEqual({
      kind: "need",
      need: "ghost",
      because: undefined,
    });
    expect(verifyCatalog(catalogOf(units)).map(({ code }) => code)).toEqual(["UNIT_NEED_ON_UNKNOWN"]);
  });

  test("fault-F10, row 33: --show-deps has each predecessor once, however many relations lead to it", () => {
    const units = [
      { name: "a", provides: ["s"], before: ["b"] },
      { name: "b", requires: ["s"], after: ["a", "s", "*"] },
    ];
    expect(showDeps(start(units, ["b"]))).toEqual({ a: [], b: ["a"] });
  });

  test("fault-F10, row 34: --show-deps of rc3 has the modules that are removed, after those that use them", () => {
    const units: UnitLiteral[] = [
      { name: "low" },
      { name: "high", requires: ["low"], after: ["low"] },
      { name: "t", kind: "task", before: ["high"], runlevels: ["rc3"] },
    ];
    const request = { kind: "stop", roots: ["t"], remove: "all" } as const;
    const loaded = ["low", "high"].map((name) => ({ name, services: [], explicit: false }));
    const stop = valueOf(plan(catalogOf(units), { request, facts: FACTS, loaded }));
    expect(showDeps(stop)).toEqual({ t: [], high: ["t"], low: ["high"] });
  });

  test("row 4: units that need each other in a ring are viable together", () => {
    const units = [
      { name: "a", needs: ["b"] },
      { name: "b", needs: ["c"] },
      { name: "c", needs: ["a"] },
    ];
    expect(namesOf(units, ["a", "b", "c"])).toEqual(["a", "b", "c"]);
  });

  test("row 4: a unit whose needs form a diamond is viable", () => {
    const units = [
      { name: "a", needs: ["b", "c"], requires: ["b", "c"] },
      { name: "b", needs: ["d"], requires: ["d"] },
      { name: "c", needs: ["d"], requires: ["d"] },
      { name: "d" },
    ];
    expect(namesOf(units, ["a"])).toEqual(["a", "b", "c", "d"]);
  });

  test("row 5: after a service means after every planned provider", () => {
    const units = [
      { name: "late", after: ["s"] },
      { name: "p1", provides: ["s"] },
      { name: "p2", provides: ["s"] },
      { name: "p3", provides: ["s"] },
    ];
    expect(showDeps(start(units, ["late", "p1", "p2"]))).toEqual({ p1: [], p2: [], late: ["p1", "p2"] });
  });

  test("row 6: a unit that nobody asked for does not appear beside another provider of its service", () => {
    const units = [
      { name: "high", provides: ["s"], priority: 200 },
      { name: "low", provides: ["s"], requires: ["extra"] },
      { name: "extra" },
    ];
    expect(namesOf(units, ["s"])).toEqual(["high"]);
  });

  test("row 7: a name that is both unit and service is read as the unit first", () => {
    const units = [
      { name: "s", requires: ["own"] },
      { name: "rival", provides: ["s"], priority: 900, disabled: true },
      { name: "own" },
    ];
    expect(load(units, ["s"])).toEqual(["load s", "load own"]);
    const enabled = plan(catalogOf(units), { roots: ["s"], facts: FACTS, enabled: ["s"] });
    expect(valueOf(enabled).leftOut.get("rival")).toMatchObject({ kind: "disabled" });
    const tree = dependencyTree(catalogOf(units), FACTS, "s");
    expect(renderTree(valueOf(tree))).toBe("s\n└── own");
    const loaded = ["s", "rival"].map((name) => ({ name, services: [], explicit: true }));
    const request = { kind: "remove", modules: ["s"], recursive: false } as const;
    expect(dryRunLines(valueOf(plan(catalogOf(units), { request, facts: FACTS, loaded })))).toEqual([
      "remove s",
    ]);
  });

  test("row 8: only the unit that lacks a need is set aside, and another provider serves", () => {
    const units = [
      { name: "best", provides: ["s"], priority: 300, needs: ["idle"] },
      { name: "next", provides: ["s"], priority: 200 },
      { name: "last", provides: ["s"] },
      { name: "idle" },
    ];
    const made = start(units, ["s"]);
    expect(made.steps.map(({ unit }) => unit.name)).toEqual(["next"]);
    expect(made.leftOut.get("best")).toEqual({
      kind: "set-aside",
      service: "s",
      missing: "idle",
      servedBy: "next",
    });
    expect(made.leftOut.get("last")).toEqual({
      kind: "other-provider",
      service: "s",
      picked: "next",
      by: "priority",
    });
  });

  test("row 9: a root is served by another provider where the preferred one cannot run", () => {
    const units = [
      { name: "plain", provides: ["s"] },
      { name: "preferred", provides: ["s"], priority: 200, ranks: ">0" },
    ];
    expect(namesOf(units, ["s"])).toEqual(["plain"]);
  });

  test("row 13: an alternative holds whatever the priorities, and is applied only when picking", () => {
    const units = [
      { name: "a", provides: ["s", "t"], priority: 1 },
      { name: "b", provides: ["s"], priority: 1000 },
      { name: "c", provides: ["t"], priority: 1000 },
    ];
    const made = start(units, ["s", "t"], [["s", "a"]]);
    expect(made.steps.map(({ unit }) => unit.name)).toEqual(["a"]);
    expect(made.steps[0]?.unit.priority).toBe(1);
    expect(made.leftOut.get("c")).toMatchObject({ service: "t", picked: "a", by: "alternative" });
  });

  test("row 13: an alternative that is not viable gives way", () => {
    const units = [
      { name: "a", provides: ["s"], disabled: true },
      { name: "b", provides: ["s"] },
    ];
    expect(namesOf(units, ["s"], [["s", "a"]])).toEqual(["b"]);
  });

  test('row 14: after = ["*", "x"] means both', () => {
    const units = [{ name: "x", after: ["*"] }, { name: "y", after: ["*", "x"] }, { name: "z" }];
    expect(showDeps(start(units, ["x", "y", "z"]))).toEqual({ z: [], x: ["z"], y: ["x", "z"] });
  });

  test("row 15: a unit after itself, or after its own service, makes no edge and no cycle", () => {
    const units = [
      { name: "a", provides: ["s"], after: ["a", "s"], before: ["s"] },
      { name: "b", after: ["b"] },
    ];
    expect(showDeps(start(units, ["a", "b"]))).toEqual({ a: [], b: [] });
  });

  test("row 15: a unit after its own service comes after the other providers of it", () => {
    const others = Array.from({ length: 12 }, (_, i) => ({ name: `p${i}`, provides: ["s"] }));
    const users = Array.from({ length: 12 }, (_, i) => ({ name: `user${i}`, after: ["s"] }));
    const units = [{ name: "own", provides: ["s"], after: ["s"] }, ...others, ...users];
    const deps = showDeps(
      start(
        units,
        units.map(({ name }) => name),
      ),
    );
    const providers = others.map(({ name }) => name).sort();
    expect(deps["own"]).toEqual(providers);
    expect(deps["user3"]).toEqual(["own", ...providers]);
  });

  test('row 16: several units with before = ["*"] are not ordered against each other', () => {
    const units = [{ name: "z" }, { name: "a", before: ["*"] }, { name: "b", before: ["*"] }];
    expect(showDeps(start(units, ["a", "b", "z"]))).toEqual({ a: [], b: [], z: ["a", "b"] });
  });

  test("row 17: an unknown name in requires is an error only for a planned unit", () => {
    const units = [
      { name: "kvs" },
      { name: "a", requires: ["kvz"] },
      { name: "b", requires: ["nowhere"], disabled: true },
    ];
    expect(namesOf(units, ["kvs", "b"])).toEqual(["kvs"]);
    const [error, ...others] = errorsOf(plan(catalogOf(units), { roots: ["a", "b"], facts: FACTS }));
    expect(others).toEqual([]);
    expect(error).toMatchObject({
      code: "GRAPH_UNKNOWN_NAME",
      message: "no such task or module kvz",
      hint: "did you mean 'kvs'?",
      location: { file: "units.toml", line: 2 },
    });
  });

  test("row 17: an unknown root is an error with the origin that asked for it", () => {
    const origins = new Map([["kvz", { label: "rc1.ts", location: undefined }]]);
    const errors = errorsOf(
      plan(catalogOf([{ name: "kvs" }]), { roots: ["kvz", "ghost"], facts: FACTS, origins }),
    );
    expect(errors.map(({ message }) => message)).toEqual([
      "no such task or module ghost",
      "no such task or module kvz",
    ]);
    expect(errors[1]?.related.map(({ message }) => message)).toEqual(["named by rc1.ts"]);
  });

  test("row 19: a cycle names every edge with key and place, and what to cut", () => {
    const units = [
      { name: "a", after: ["c"] },
      { name: "b", after: ["a"] },
      { name: "c", after: ["b"] },
    ];
    const [error] = errorsOf(plan(catalogOf(units), { roots: ["a", "b", "c"], facts: FACTS }));
    expect(error?.code).toBe("GRAPH_CYCLE");
    expect(error?.message).toContain("nodes are in a cycle");
    expect(error?.related.map(({ location }) => location?.line)).toEqual([2, 3, 1]);
    expect(error?.hint).toContain('after = ["c"] of a (units.toml:1:');
  });

  test("row 20: a ring of requires through a service name ends", () => {
    const units = [
      { name: "a", provides: ["s"], requires: ["b"] },
      { name: "b", requires: ["c"] },
      { name: "c", requires: ["s"] },
    ];
    expect(namesOf(units, ["s"])).toEqual(["a", "b", "c"]);
  });

  test("row 23: an explicit load takes no requirement on ranks where it is not meant to be", () => {
    const units = [
      { name: "a", ranks: "1", requires: ["off", "on"] },
      { name: "off", ranks: "1" },
      { name: "on", ranks: "0" },
    ];
    expect(load(units, ["a"])).toEqual(["load a", "load on"]);
  });

  test("row 24: a running provider of a required service serves, and no second one is loaded", () => {
    const units = [
      { name: "low", provides: ["s"], priority: 1 },
      { name: "high", provides: ["s"] },
      { name: "user", requires: ["s"], needs: ["s"] },
    ];
    const running = [{ name: "low", services: [], explicit: true }];
    expect(load(units, ["user"], running)).toEqual(["load user"]);
    expect(load(units, ["s"], running)).toEqual([]);
    expect(load(units, ["user"])).toEqual(["load high", "load user"]);
  });

  test("row 25: removing a module leaves what an operator had loaded by name", () => {
    const units = [{ name: "base" }, { name: "mine" }, { name: "top", requires: ["base", "mine"] }];
    const loaded = [
      { name: "base", services: [], explicit: false },
      { name: "mine", services: [], explicit: true },
      { name: "top", services: [], explicit: true },
    ];
    const request = { kind: "remove", modules: ["top"], recursive: false } as const;
    const made = valueOf(plan(catalogOf(units), { request, facts: FACTS, loaded }));
    expect(dryRunLines(made)).toEqual(["remove base", "remove top"]);
  });
});

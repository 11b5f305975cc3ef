import { describe, expect, test } from "vitest";
import {
  dependencyTree,
  dryRunLines,
  plan,
  type Reason,
  reasonText,
  renderTree,
  runlevelRoots,
  showDeps,
  toGraph,
} from "../../src/graph/index.js";
import { catalogOf, place, type UnitLiteral } from "../helpers/catalog.js";
import { FACTS } from "./arbitrary.js";
import { errorsOf, valueOf } from "./results.js";

const UNITS: UnitLiteral[] = [
  { name: "sched-simple", provides: ["sched"], requires: ["jobs", "resource"], after: ["jobs"] },
  { name: "jobs", requires: ["kvs", "resource", "off"], after: ["kvs"], args: ["a=1", "b"] },
  { name: "resource", requires: ["kvs"] },
  { name: "kvs", requires: ["jobs"] },
  { name: "off", disabled: true },
  { name: "warm", kind: "task", after: ["*"] },
];

const start = (roots: readonly string[] = ["sched", "warm"]) =>
  valueOf(plan(catalogOf(UNITS), { roots, facts: { rank: 0, size: 1 } }));

describe("a dry run", () => {
  test("prints what is done, arguments included, in canonical order", () => {
    expect(dryRunLines(start())).toEqual([
      "load resource",
      "load kvs",
      "load jobs a=1 b",
      "load sched-simple",
      "run warm",
    ]);
  });
});

describe("--show-deps", () => {
  test("spells wildcards out, sorted by code unit, without repeats", () => {
    expect(showDeps(start())).toEqual({
      resource: [],
      kvs: [],
      jobs: ["kvs"],
      "sched-simple": ["jobs"],
      warm: ["jobs", "kvs", "resource", "sched-simple"],
    });
  });
});

describe("the graph value", () => {
  test("fault-G20: units named after properties of every object are nodes like any other", () => {
    const names = Object.getOwnPropertyNames(Object.prototype).filter((name) => name !== "__proto__");
    expect(names).toEqual(expect.arrayContaining(["constructor", "toString", "valueOf"]));
    const units = names.map((name, place) => ({ name, after: names.slice(0, place) }));
    const graph = valueOf(plan(catalogOf(units), { roots: names, facts: FACTS })).graph();
    expect(graph.nodes()).toEqual(names);
    expect(graph.sources()).toEqual(names.slice(0, 1));
    expect(graph.edgeCount()).toBe((names.length * (names.length - 1)) / 2);
    for (const [place, name] of names.entries()) {
      expect(graph.predecessors(name)).toEqual(names.slice(0, place));
      expect(graph.successors(name)).toEqual(names.slice(place + 1));
    }
    const half = graph.filterNodes((name) => name !== "toString");
    expect(half.hasNode("toString")).toBe(false);
    expect(half.predecessors("toString")).toBeUndefined();
    expect(half.nodeCount()).toBe(names.length - 1);
  });

  test("has a node for each step, labelled with it, and an edge for each direct predecessor", () => {
    const made = start();
    const graph = made.graph();
    expect(graph.nodes()).toEqual(made.steps.map(({ unit }) => unit.name));
    expect(graph.node("jobs")).toBe(made.steps[2]);
    expect(graph.successors("kvs")?.sort()).toEqual(["jobs", "warm"]);
    expect(toGraph(made).edgeCount()).toBe(6);
  });
});

describe("an explanation", () => {
  test("of a planned unit is the way from a root to it", () => {
    expect(start().explain("kvs")).toEqual({
      kind: "planned",
      unit: "kvs",
      action: "load",
      chain: [
        { name: "sched", unit: "sched-simple" },
        { name: "jobs", unit: "jobs" },
        { name: "kvs", unit: "kvs" },
      ],
    });
  });

  test("of a service is that of its pick", () => {
    expect(start().explain("sched")).toMatchObject({
      unit: "sched-simple",
      chain: [{ name: "sched", unit: "sched-simple" }],
    });
  });

  test("of a unit that is left out is its reason", () => {
    expect(start().explain("off")).toMatchObject({ kind: "left-out", reason: { kind: "disabled" } });
    expect(start(["warm"]).explain("jobs")).toEqual({
      kind: "left-out",
      unit: "jobs",
      reason: { kind: "not-asked", requiredBy: ["sched-simple", "kvs"] },
    });
  });

  test("of an unknown name is none", () => {
    expect(start().explain("ghost")).toBeUndefined();
  });

  test("of a removal tells what goes, what stays and what has nothing to do with it", () => {
    const loaded = [
      { name: "kvs", services: [], explicit: true },
      { name: "off", services: ["extra"], explicit: true },
    ];
    const request = { kind: "remove", modules: ["off"], recursive: false } as const;
    const made = valueOf(plan(catalogOf(UNITS), { request, facts: FACTS, loaded }));
    expect(made.explain("extra")).toEqual({ kind: "planned", unit: "off", action: "remove", chain: [] });
    expect(made.explain("kvs")).toEqual({ kind: "loaded", unit: "kvs" });
    expect(made.explain("sched")).toEqual({ kind: "untouched", unit: "sched-simple" });
    expect(made.explain("ghost")).toBeUndefined();
  });
});

describe("the tree of dependencies", () => {
  const treeOf = (name: string, full = false): string =>
    renderTree(valueOf(dependencyTree(catalogOf(UNITS), FACTS, name, { full })));

  test("shows each dependency at its shallowest place and not again", () => {
    expect(treeOf("sched")).toBe(
      ["sched (sched-simple)", "├── jobs", "│   └── kvs", "└── resource"].join("\n"),
    );
  });

  test("shows every occurrence when full, cutting cycles", () => {
    expect(treeOf("sched", true)).toBe(
      [
        "sched (sched-simple)",
        "├── jobs",
        "│   ├── kvs",
        "│   └── resource",
        "│       └── kvs",
        "└── resource",
        "    └── kvs",
        "        └── jobs",
      ].join("\n"),
    );
  });

  test("shows a unit that would be left out, as the unit that was asked about", () => {
    expect(treeOf("off")).toBe("off");
  });

  test("fault-F4: of a unit whose conditions do not hold has what it requires, which has the same ones", () => {
    const units = [
      { name: "exec", requires: ["bus", "map"], needsConfig: ["on"] },
      { name: "bus", needsConfig: ["on"] },
      { name: "map", provides: ["m"], requires: ["m2"], needsConfig: ["on"] },
      { name: "m2", disabled: true },
      { name: "free", requires: ["bus", "ok"] },
      { name: "ok" },
    ];
    const shown = (name: string): string[] =>
      renderTree(valueOf(dependencyTree(catalogOf(units), FACTS, name))).split("\n");
    expect(shown("exec")).toEqual(["exec", "├── bus", "└── map", "    └── m2"]);
    expect(shown("free")).toEqual(["free", "└── ok"]);
  });

  test("of an unknown name is an error", () => {
    const [error] = errorsOf(dependencyTree(catalogOf(UNITS), FACTS, "shed"));
    expect(error).toMatchObject({
      code: "GRAPH_UNKNOWN_NAME",
      message: "no such task or module shed",
      hint: "did you mean 'sched'?",
    });
  });
});

describe("the text of a reason", () => {
  const disabled: Reason = { kind: "disabled", by: place("site.toml", 3, 1) };

  test.each<[Reason, string]>([
    [disabled, "disabled by site.toml:3:1"],
    [{ kind: "disabled", by: undefined }, "disabled"],
    [{ kind: "rank", ranks: "0", rank: 3 }, "rank 3 is not in ranks 0"],
    [{ kind: "condition", key: "needs-attrs", condition: "x" }, "needs-attrs x: not set"],
    [{ kind: "condition", key: "needs-env", condition: "!X" }, "needs-env !X: X is set"],
    [{ kind: "need", need: "x", because: undefined }, "needs x, which no unit provides"],
    [
      { kind: "need", need: "s", because: { unit: "p", reason: disabled } },
      "needs s, whose p is left out: disabled by site.toml:3:1",
    ],
    [
      { kind: "set-aside", service: "s", missing: "n", servedBy: "p" },
      "set aside for s: n was missing; p serves s",
    ],
    [
      { kind: "set-aside", service: "s", missing: "n", servedBy: undefined },
      "set aside for s: n was missing; nothing serves s",
    ],
    [{ kind: "other-provider", service: "s", picked: "p", by: "priority" }, "p was picked for s by priority"],
    [{ kind: "other-provider", service: "s", picked: "p", by: "loaded" }, "p runs already and serves s"],
    [{ kind: "not-asked", requiredBy: [] }, "not asked for"],
    [{ kind: "not-asked", requiredBy: ["a", "b"] }, "not asked for; required by a, b, left out"],
  ])("%j", (reason, text) => {
    expect(reasonText(reason)).toBe(text);
  });
});

describe("reasons in corner cases", () => {
  test("a unit that was set aside for a provider that was lost too says that nothing serves", () => {
    const units = [
      { name: "best", provides: ["s"], priority: 200, needs: ["idle"] },
      { name: "next", provides: ["s"], needs: ["lazy"] },
      { name: "idle" },
      { name: "lazy" },
    ];
    const made = valueOf(plan(catalogOf(units), { roots: ["s"], facts: FACTS }));
    expect(made.steps).toEqual([]);
    expect(made.leftOut.get("best")).toEqual({
      kind: "set-aside",
      service: "s",
      missing: "idle",
      servedBy: undefined,
    });
    expect(made.leftOut.get("next")).toMatchObject({ kind: "need", need: "lazy" });
    expect(made.picks.get("s")?.name).toBe("next");
  });

  test("a task is its own root, and no other provider of its name replaces it", () => {
    const units: UnitLiteral[] = [
      { name: "job", kind: "task", needs: ["idle"] },
      { name: "rival", provides: ["job"], priority: 900 },
      { name: "idle" },
    ];
    const made = valueOf(plan(catalogOf(units), { roots: ["job"], facts: FACTS }));
    expect(made.steps).toEqual([]);
    expect(made.leftOut.get("job")).toMatchObject({ kind: "need", need: "idle" });
    expect(made.leftOut.get("rival")).toEqual({ kind: "not-asked", requiredBy: [] });
  });
});

describe("the roots of a phase", () => {
  test("are the declarative tasks with that run level, in load order", () => {
    const units: UnitLiteral[] = [
      { name: "m" },
      { name: "b", kind: "task" },
      { name: "a", kind: "task", runlevels: ["rc1", "rc3"] },
      { name: "c", kind: "task", runlevels: ["rc3"] },
    ];
    expect(runlevelRoots(catalogOf(units), "rc1")).toEqual(["b", "a"]);
    expect(runlevelRoots(catalogOf(units), "rc3")).toEqual(["a", "c"]);
  });
});

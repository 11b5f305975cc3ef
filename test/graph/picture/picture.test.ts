import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readFileSync } from "node:fs";
import {
  pictureOf,
  pictureToDot,
  pictureToMermaid,
  plan,
  showDeps,
  withoutImpliedAsks,
} from "../../../src/graph/index.js";
import { catalogOf, type UnitLiteral } from "../../helpers/catalog.js";
import { cases, FACTS } from "../arbitrary.js";
import { fluxCatalog, rc1 } from "../flux-units.js";
import { valueOf } from "../results.js";

const UNITS: UnitLiteral[] = [
  { name: "kvs", requires: ["backing"], after: ["backing"] },
  { name: "files", provides: ["backing"], priority: 50 },
  { name: "sqlite", provides: ["backing"] },
  { name: "list", requires: ["kvs"], after: ["kvs", "backing"] },
  { name: "warm", kind: "task", after: ["*"], needs: ["list"] },
];
const made = valueOf(plan(catalogOf(UNITS), { roots: ["list", "warm"], facts: FACTS }));

describe("a picture", () => {
  test("has each unit once, and of the order only what does not follow from the rest", () => {
    expect(pictureOf(made)).toEqual({
      centre: undefined,
      nodes: [
        { name: "sqlite", kind: "module", leftOut: undefined, serves: ["backing"] },
        { name: "kvs", kind: "module", leftOut: undefined, serves: [] },
        { name: "list", kind: "module", leftOut: undefined, serves: [] },
        { name: "warm", kind: "task", leftOut: undefined, serves: [] },
        { name: "files", kind: "module", leftOut: "sqlite was picked for backing by priority", serves: [] },
      ],
      edges: [
        { from: "sqlite", to: "kvs", relation: "order" },
        { from: "kvs", to: "list", relation: "order" },
        { from: "list", to: "warm", relation: "order" },
        { from: "kvs", to: "sqlite", relation: "requires" },
        { from: "list", to: "kvs", relation: "requires" },
        { from: "warm", to: "list", relation: "needs" },
      ],
      services: [{ service: "backing", picked: "sqlite", others: ["files"] }],
    });
  });

  test("around a unit, or the provider of a service, shows what is one relation away", () => {
    const names = (around: string) => pictureOf(made, around)?.nodes.map(({ name }) => name);
    expect(names("kvs")).toEqual(["sqlite", "kvs", "list"]);
    expect(names("backing")).toEqual(["sqlite", "kvs"]);
    expect(names("ghost")).toBeUndefined();
    expect(pictureOf(made, "backing")?.centre).toBe("sqlite");
    expect(pictureOf(made, "warm")?.services).toEqual([]);
  });

  test("keeps every order of the plan, and no edge that others imply", () => {
    fc.assert(
      fc.property(cases({ withOrder: true }), ({ units, alternatives, roots, enabled }) => {
        const result = plan(catalogOf(units, alternatives), {
          request: { kind: "start", roots },
          facts: FACTS,
          enabled,
        });
        if (!result.ok) return;
        const edges = pictureOf(result.value)?.edges.filter(({ relation }) => relation === "order") ?? [];
        const before = closure(edges.map(({ from, to }) => [from, to]));
        const deps = Object.entries(showDeps(result.value)).flatMap(([to, froms]) =>
          froms.map((from) => [from, to] as const),
        );
        expect(before).toEqual(closure(deps));
        for (const edge of edges) {
          const others = edges.filter((other) => other !== edge).map(({ from, to }) => [from, to] as const);
          expect(closure(others).has(`${edge.from} ${edge.to}`)).toBe(false);
        }
      }),
      { numRuns: 300 },
    );
  });
});

test("an order that is implied across thousands of units is left out too", () => {
  const count = 3000;
  const units = Array.from({ length: count }, (_, i): UnitLiteral => {
    const near = i === 0 ? [] : [`u${i - 1}`];
    return { name: `u${i}`, after: i > 1500 ? [...near, `u${i - 1500}`, "u0"] : near };
  });
  const long = valueOf(plan(catalogOf(units), { roots: units.map(({ name }) => name), facts: FACTS }));
  expect(pictureOf(long)?.edges).toEqual(
    Array.from({ length: count - 1 }, (_, i) => ({ from: `u${i}`, to: `u${i + 1}`, relation: "order" })),
  );
});

describe("without what is implied", () => {
  test("requirements that follow from others are gone, each relation by itself", () => {
    const units: UnitLiteral[] = [
      { name: "a" },
      { name: "b", requires: ["a"] },
      { name: "c", requires: ["b", "a"], needs: ["a"] },
    ];
    const small = valueOf(plan(catalogOf(units), { roots: ["a", "b", "c"], facts: FACTS }));
    const picture = pictureOf(small) ?? expect.unreachable();
    expect(withoutImpliedAsks(picture).edges).toEqual([
      { from: "b", to: "a", relation: "requires" },
      { from: "c", to: "b", relation: "requires" },
      { from: "c", to: "a", relation: "needs" },
    ]);
  });

  test("the same units are reached by each relation", () => {
    fc.assert(
      fc.property(cases({ withOrder: true }), ({ units, alternatives, roots, enabled }) => {
        const request = { kind: "start", roots } as const;
        const result = plan(catalogOf(units, alternatives), { request, facts: FACTS, enabled });
        if (!result.ok) return;
        const picture = pictureOf(result.value) ?? expect.unreachable();
        const reached = (edges: typeof picture.edges, wanted: string): Set<string> =>
          closure(edges.filter(({ relation }) => relation === wanted).map(({ from, to }) => [from, to]));
        const reduced = withoutImpliedAsks(picture).edges;
        for (const relation of ["order", "requires", "needs"])
          expect(reached(reduced, relation)).toEqual(reached(picture.edges, relation));
      }),
      { numRuns: 300 },
    );
  });
});

describe("the picture of real units", () => {
  const picture = pictureOf(rc1(fluxCatalog())) ?? expect.unreachable();
  test.each([
    { file: "flux.dot", text: () => pictureToDot(picture).join("\n") },
    { file: "flux.mmd", text: () => pictureToMermaid(picture).join("\n") },
    { file: "flux.json", text: () => JSON.stringify(picture, undefined, 1) },
  ])("is that of $file", ({ file, text }) => {
    expect(`${text()}\n`).toBe(
      readFileSync(new URL(`../../fixtures/pictures/${file}`, import.meta.url), "utf8"),
    );
  });
});

/** All pairs of which the first comes before the second, by any way. */
function closure(edges: readonly (readonly [string, string])[]): Set<string> {
  const found = new Set<string>();
  for (const start of new Set(edges.map(([from]) => from))) {
    const reached = new Set([start]);
    for (const at of reached) for (const [from, to] of edges) if (from === at) reached.add(to);
    reached.delete(start);
    for (const to of reached) found.add(`${start} ${to}`);
  }
  return found;
}

test("dot draws modules, tasks, what is left out, and the three relations apart", () => {
  const lines = pictureToDot(pictureOf(made) ?? { nodes: [], edges: [] });
  expect(lines[0]).toBe("digraph plan {");
  expect(lines.at(-1)).toBe("}");
  expect(lines).toContain('  "sqlite" [label="sqlite\\nserves backing"];');
  expect(lines).toContain('  "warm" [label="warm", shape=ellipse];');
  expect(lines.find((line) => line.startsWith('  "files" ['))).toMatch(/was picked.*fontcolor/);
  expect(lines).toContain('  "sqlite" -> "kvs";');
  expect(lines.find((line) => line.startsWith('  "warm" -> "list"'))).toContain("dotted");
  expect(lines.find((line) => line.startsWith('  "list" -> "kvs"'))).toContain("dashed");
});

test("Mermaid draws the same, with names that may be words of its language", () => {
  const units: UnitLiteral[] = [
    { name: "end", needsEnv: ['a"<b>'] },
    { name: "class", after: ["end"] },
  ];
  const small = valueOf(plan(catalogOf(units), { roots: ["end", "class"], facts: FACTS }));
  expect(pictureToMermaid(pictureOf(small) ?? { nodes: [], edges: [] })).toEqual([
    "flowchart LR",
    '  u0["class"]',
    '  u1["end<br/>needs-env a#34;#60;b#62;: not set"]',
    "  classDef out fill:#f4f4f4,stroke:#b0b0b0,color:#909090",
    "  class u1 out",
  ]);
});

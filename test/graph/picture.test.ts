import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pictureOf, pictureToDot, pictureToMermaid, plan, showDeps } from "../../src/graph/index.js";
import { catalogOf, type UnitLiteral } from "../helpers/catalog.js";
import { cases, FACTS } from "./arbitrary.js";
import { valueOf } from "./results.js";

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
    });
  });

  test("around a unit, or the provider of a service, shows what is one relation away", () => {
    const names = (around: string) => pictureOf(made, around)?.nodes.map(({ name }) => name);
    expect(names("kvs")).toEqual(["sqlite", "kvs", "list"]);
    expect(names("backing")).toEqual(["sqlite", "kvs"]);
    expect(names("ghost")).toBeUndefined();
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

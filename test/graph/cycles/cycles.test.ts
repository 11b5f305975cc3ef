import { describe, expect, test } from "vitest";
import { plan } from "../../../src/graph/index.js";
import { type Catalog, compose, parseFragment } from "../../../src/units/index.js";
import { catalogOf, type UnitLiteral } from "../../helpers/catalog.js";
import { FACTS } from "../arbitrary.js";
import { errorsOf, valueOf } from "../results.js";

function cyclesOf(catalog: Catalog) {
  return errorsOf(plan(catalog, { roots: catalog.units.map(({ name }) => name), facts: FACTS }));
}

const ring = (prefix: string, count: number): UnitLiteral[] =>
  Array.from({ length: count }, (_, i) => ({
    name: `${prefix}${i}`,
    after: [`${prefix}${(i + count - 1) % count}`],
  }));

describe("a cycle", () => {
  test("of three units across two files is shown with the file and line of each edge", () => {
    const first = [
      "[[modules]]",
      'name = "a"',
      'after = ["c"]',
      "[[modules]]",
      'name = "b"',
      'before = ["c"]',
    ].join("\n");
    const second = ["[[modules]]", 'name = "c"', "", 'b."after+" = ["a"]'].join("\n");
    // The update stands in a table of its own, as TOML has it.
    const fragments = [
      valueOf(parseFragment(first, { file: "/site/one.toml" })),
      valueOf(parseFragment(second.replace('\nb."after+"', '\n[b]\n"after+"'), { file: "/site/two.toml" })),
    ];
    const [error, ...others] = cyclesOf(valueOf(compose(fragments)));
    expect(others).toEqual([]);
    expect(error?.code).toBe("GRAPH_CYCLE");
    expect(error?.message).toBe("nodes are in a cycle: a → b → c → a");
    expect(error?.related.map(({ message }) => message)).toEqual([
      'a comes before b: after = ["a"] of b',
      'b comes before c: before = ["c"] of b',
      'c comes before a: after = ["c"] of a',
    ]);
    expect(error?.related.map(({ location }) => [location?.file, location?.line])).toEqual([
      ["/site/two.toml", 5],
      ["/site/one.toml", 6],
      ["/site/one.toml", 3],
    ]);
    expect(error?.location?.file).toBe("/site/two.toml");
    expect(error?.hint).toContain('after = ["c"] of a (/site/one.toml:3:');
  });

  test("through a wildcard names real units and the wildcard's key and place", () => {
    const [error, ...others] = cyclesOf(
      catalogOf([{ name: "x" }, { name: "first", before: ["*"] }, { name: "y", before: ["first"] }]),
    );
    expect(others).toEqual([]);
    expect(error?.message).toBe("nodes are in a cycle: first → y → first");
    expect(error?.related.map(({ message }) => message)).toEqual([
      'first comes before y: before = ["*"] of first',
      'y comes before first: before = ["first"] of y',
    ]);
    expect(error?.related.map(({ location }) => location?.line)).toEqual([2, 3]);
  });

  test("through a service names the provider and the name that means it", () => {
    const [error] = cyclesOf(
      catalogOf([
        { name: "p", provides: ["s"], after: ["u"] },
        { name: "u", after: ["s"] },
      ]),
    );
    expect(error?.related.map(({ message }) => message)).toEqual([
      'p comes before u: after = ["s"] of u',
      'u comes before p: after = ["u"] of p',
    ]);
  });

  test("shows both causes of an edge that two units ask for", () => {
    const [error] = cyclesOf(
      catalogOf([
        { name: "a", before: ["b"], after: ["b"] },
        { name: "b", after: ["a"] },
      ]),
    );
    expect(error?.related.map(({ message }) => message)).toEqual([
      'a comes before b: after = ["a"] of b',
      'a comes before b: before = ["b"] of a',
      'b comes before a: after = ["b"] of a',
    ]);
  });

  test("is reported for each component, all at once", () => {
    const units = [...ring("a", 3), { name: "between", after: ["a0"], before: ["b0"] }, ...ring("b", 4)];
    const errors = cyclesOf(catalogOf(units));
    expect(errors.map(({ message }) => message)).toEqual([
      "nodes are in a cycle: a0 → a1 → a2 → a0",
      "nodes are in a cycle: b0 → b1 → b2 → b3 → b0",
    ]);
  });

  test("is reported beside unknown names", () => {
    const units = [...ring("a", 2), { name: "b", requires: ["ghost"] }];
    expect(
      cyclesOf(catalogOf(units))
        .map(({ code }) => code)
        .sort(),
    ).toEqual(["GRAPH_CYCLE", "GRAPH_UNKNOWN_NAME"]);
  });

  test("does not drop a unit that is not in the cycle from the report of what is", () => {
    const units = [...ring("a", 2), { name: "behind", after: ["a0"] }];
    const [error] = cyclesOf(catalogOf(units));
    expect(error?.message).not.toContain("behind");
  });

  test("that is the shortest is found in a component of 2,000 units", () => {
    const units = ring("u", 2000).map((unit) =>
      unit.name === "u700" ? { ...unit, before: ["u697"] } : unit,
    );
    const [error] = cyclesOf(catalogOf(units));
    expect(error?.message).toBe(
      "nodes are in a cycle: u697 → u698 → u699 → u700 → u697 (one of several cycles among 2000 units)",
    );
  });

  test("has no chords in a component of 20,000 units", () => {
    const units = ring("u", 20_000).map((unit, i) =>
      i % 10 === 9 ? { ...unit, before: [`u${i - 4}`] } : unit,
    );
    const [error, ...others] = cyclesOf(catalogOf(units));
    expect(others).toEqual([]);
    expect(error?.related.length).toBe(5);
  });

  test("of 50,000 units is found without exhausting the stack, and its message stays short", () => {
    const [error] = cyclesOf(catalogOf(ring("u", 50_000)));
    expect(error?.related.length).toBe(50_000);
    expect(error?.message.length).toBeLessThan(400);
  });

  test("among 3,000 units that all provide and follow one service is found without listing their pairs", () => {
    const units = Array.from({ length: 3000 }, (_, i) => ({
      name: `u${i}`,
      provides: ["s"],
      after: ["s"],
    }));
    const [error, ...others] = cyclesOf(catalogOf(units));
    expect(others).toEqual([]);
    expect(error?.related.length).toBe(2);
    expect(error?.hint).toContain("more");
  });
});

import { describe, expect, test } from "vitest";
import {
  orderWarnings,
  unreachedWarnings,
  plan,
  rankClasses,
  verifyCatalog,
} from "../../../src/graph/index.js";
import { type AlternativeLiteral, catalogOf, type UnitLiteral } from "../../helpers/catalog.js";
import { FACTS } from "../arbitrary.js";
import { valueOf } from "../results.js";

/** Codes of the warnings, with the unit that the message starts with. */
function warningsFor(units: readonly UnitLiteral[], alternatives: AlternativeLiteral = []): string[] {
  return verifyCatalog(catalogOf(units, alternatives)).map(
    ({ code, message }) => `${code} ${message.split(" ")[0] ?? ""}`,
  );
}

describe("a need", () => {
  test("that no rank of the unit can meet is warned about", () => {
    const db = { name: "db", ranks: "0" };
    expect(warningsFor([db, { name: "web", ranks: ">0", needs: ["db"] }])).toEqual([
      "UNIT_NEED_UNMEETABLE web",
    ]);
    expect(warningsFor([db, { name: "web", ranks: "0-3", needs: ["db"] }])).toEqual([]);
    expect(
      warningsFor([
        { name: "db", disabled: true },
        { name: "web", needs: ["db"] },
      ]),
    ).toEqual(["UNIT_NEED_UNMEETABLE web"]);
  });

  test("fault-G8: of what is disabled names the place, not ranks", () => {
    const units = [
      { name: "kvs", disabled: true },
      { name: "web", ranks: "0", needs: ["kvs"] },
    ];
    const catalog = catalogOf(units);
    const [warning] = verifyCatalog(catalog);
    const place = catalog.originOf("kvs", "disabled")?.label ?? "";
    expect(place).toMatch(/^units.toml:\d+:\d+$/);
    expect(warning?.message).toBe(`web needs kvs, which is disabled (${place})`);
  });

  test("is fine if one of several providers can meet it", () => {
    const units = [
      { name: "a", provides: ["db"], ranks: "0" },
      { name: "b", provides: ["db"], ranks: "1,5-7" },
      { name: "web", ranks: "3-5", needs: ["db"] },
    ];
    expect(warningsFor(units)).toEqual([]);
  });
});

describe("a provider", () => {
  const sqlite = { name: "sqlite", provides: ["backing"] };
  test("that always loses a tie is warned about, and one that stands by with a lower priority is not", () => {
    expect(warningsFor([{ name: "files", provides: ["backing"] }, sqlite])).toEqual([
      "UNIT_NEVER_PICKED files",
    ]);
    expect(warningsFor([{ name: "files", provides: ["backing"], priority: 50 }, sqlite])).toEqual([]);
  });

  test("fault-G3: is not said to be picked never, and not at all if code may choose it", () => {
    const catalog = catalogOf([{ name: "files", provides: ["backing"] }, sqlite]);
    expect(verifyCatalog(catalog).map(({ message }) => message)).toEqual([
      "files is picked for backing only by an alternative: sqlite comes first",
    ]);
    expect(verifyCatalog(catalog, new Set(["backing"]))).toEqual([]);
  });

  test("that a forced one beats is warned about, the forced one is not", () => {
    const units = [
      { name: "files", provides: ["backing"] },
      { ...sqlite, priority: 900 },
    ];
    expect(warningsFor(units, [["backing", "files"]])).toEqual(["UNIT_NEVER_PICKED sqlite"]);
  });

  test("is not warned about where the other one may be missing, or for a service of its own", () => {
    const files = { name: "files", provides: ["backing"] };
    for (const other of [{ ranks: "0" }, { needs: ["files"] }, { needsEnv: ["X"] }, { disabled: true }]) {
      expect(warningsFor([files, { ...sqlite, ...other }])).toEqual([]);
    }
    expect(warningsFor([{ name: "files", provides: ["backing", "blobs"] }, sqlite])).toEqual([]);
  });

  test("for no rank, or with conditions that contradict each other, is warned about", () => {
    expect(warningsFor([{ name: "a", ranks: "<0" }])).toEqual(["UNIT_NEVER_PICKED a"]);
    expect(warningsFor([{ name: "a", needsAttrs: ["x", "!x"] }])).toEqual(["UNIT_NEVER_PICKED a"]);
    expect(warningsFor([{ name: "a", needsAttrs: ["x", "!y"] }])).toEqual([]);
  });
});

describe("an order by way of a unit that is left out", () => {
  const chain = (more: UnitLiteral[] = []): UnitLiteral[] => [
    { name: "a" },
    { name: "b", after: ["a"], disabled: true },
    { name: "c", after: ["b"] },
    ...more,
  ];
  const broken = (units: UnitLiteral[], roots: string[]): string[] =>
    orderWarnings(valueOf(plan(catalogOf(units), { roots, facts: FACTS }))).map(({ message }) => message);

  test("is warned about, with the units on both sides", () => {
    expect(broken(chain(), ["a", "c"])).toEqual([
      expect.stringContaining("c after a: b, which is between them"),
    ]);
  });

  test("is fine if another way orders them, or if one of them is out too", () => {
    expect(broken(chain([{ name: "d", after: ["a"], before: ["c"] }]), ["a", "c", "d"])).toEqual([]);
    expect(broken(chain(), ["c"])).toEqual([]);
  });
});

test("a unit that nothing asks for is warned about; one that any provider would require is not", () => {
  const units = [
    { name: "root", requires: ["s"] },
    { name: "one", provides: ["s"], requires: ["deep"] },
    { name: "two", provides: ["s"], disabled: true },
    { name: "deep" },
    { name: "lone" },
  ];
  const found = unreachedWarnings(catalogOf(units), ["root"]);
  expect(found.map(({ code, location }) => [code, location?.line])).toEqual([["UNIT_UNREACHED", 5]]);
  expect(unreachedWarnings(catalogOf(units), ["root", "lone"])).toEqual([]);
});

describe("classes of ranks", () => {
  const classes = (ranks: string[], size: number): string[] =>
    rankClasses(catalogOf(ranks.map((text, i) => ({ name: `u${i}`, ranks: text }))).units, size).map(
      ({ text }) => text,
    );

  test("are those on which the same units are meant to be", () => {
    expect(classes(["all", "0"], 4)).toEqual(["0", "1-3"]);
    expect(classes(["0", "2", "all"], 4)).toEqual(["0", "1,3", "2"]);
    expect(classes([], 4)).toEqual(["all"]);
    expect(classes(["0", "5-9"], 3)).toEqual(["0", "1-2"]);
    expect(classes(["0"], 1)).toEqual(["0"]);
  });

  test("do not grow with the size", () => {
    expect(classes(["0", ">0", "<10"], 4_000_000)).toEqual(["0", "1-9", "10-3999999"]);
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  causesOfDifference,
  diffLocks,
  factsAt,
  lockOf,
  type Plan,
  plan,
  rankClasses,
  type RankFacts,
  rankMatrix,
} from "../../src/graph/index.js";
import { type Catalog, compose, parseFragment, parseRankSet, rankSetHas } from "../../src/units/index.js";
import { fluxCatalog, rc1 } from "./flux-units.js";
import { valueOf } from "./results.js";

function catalogFrom(text: string): Catalog {
  return valueOf(compose([valueOf(parseFragment(text, { file: "units.toml" }))]));
}

function ranksOf(text: string): RankFacts["ranks"] {
  const parsed = parseRankSet(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value;
}

const UNITS = `
[[modules]]
name = "gpu"
needs-attrs = ["gpu"]

[[modules]]
name = "plain"
needs-attrs = ["!gpu"]

[[modules]]
name = "batch"
needs-env = ["SLURM_JOB_ID"]
needs = ["gpu"]

[[modules]]
name = "leader"
ranks = "0"
`;
const ROOTS = ["gpu", "plain", "batch", "leader"];

describe("the ranks of a fleet", () => {
  const classes = (size: number, perRank: readonly RankFacts[]): string[] =>
    rankClasses(catalogFrom(UNITS).units, size, perRank).map(({ text }) => text);

  test("fall into as many classes as the values of `ranks` make, whatever the size", () => {
    expect(classes(1_000_000, [])).toEqual(["0", "1-999999"]);
    expect(rankClasses(fluxCatalog().units, 1_000_000).map(({ text }) => text)).toEqual(["0", "1-999999"]);
  });

  test("are split further by facts of some ranks that a condition asks for, and by no others", () => {
    expect(classes(8, [{ ranks: ranksOf("4-7"), attrs: { gpu: "1" } }])).toEqual(["0", "1-3", "4-7"]);
    expect(classes(8, [{ ranks: ranksOf("4-7"), attrs: { colour: "red" }, env: { gpu: "1" } }])).toEqual([
      "0",
      "1-7",
    ]);
    expect(
      classes(8, [
        { ranks: ranksOf("2-5"), attrs: { gpu: "" } },
        { ranks: ranksOf("4,6"), env: { SLURM_JOB_ID: "9" } },
      ]),
    ).toEqual(["0", "1,7", "2-3,5", "4", "6"]);
  });

  test("have the plan of their class, each of them", () => {
    const rankSet = fc
      .uniqueArray(fc.integer({ min: 0, max: 11 }), { minLength: 1, maxLength: 6 })
      .map((ranks) => ranksOf(ranks.sort((a, b) => a - b).join(",")));
    const perRankFacts = fc.array(
      fc.record({
        ranks: rankSet,
        attrs: fc.constantFrom<Record<string, string>>({}, { gpu: "1" }, { other: "1" }),
        env: fc.constantFrom<Record<string, string>>({}, { SLURM_JOB_ID: "1" }),
      }),
      { maxLength: 4 },
    );
    const catalog = catalogFrom(UNITS);
    const planAt = (rank: number, perRank: readonly RankFacts[]): string[] => {
      const facts = factsAt({ rank: 0, size: 12, config: {}, attrs: {}, env: {} }, perRank, rank);
      return valueOf(plan(catalog, { roots: ROOTS, facts })).steps.map(({ unit }) => unit.name);
    };
    fc.assert(
      fc.property(perRankFacts, (perRank) => {
        const found = rankClasses(catalog.units, 12, perRank);
        for (let rank = 0; rank < 12; rank++) {
          const mine = found.filter((set) => rankSetHas(set, rank));
          expect(mine.length).toBe(1);
          expect(planAt(rank, perRank)).toEqual(planAt(mine[0]?.ranges[0]?.[0] ?? -1, perRank));
        }
      }),
    );
  });

  test("are of one class exactly if the same sets have them", () => {
    const set = fc.oneof(
      fc
        .uniqueArray(fc.integer({ min: 0, max: 14 }), { minLength: 1, maxLength: 8 })
        .map((ranks) => ranks.sort((a, b) => a - b).join(",")),
      fc.constantFrom("all", ">3", "<2", "<0", ">9", "2-5,7-11"),
    );
    fc.assert(
      fc.property(fc.array(set, { maxLength: 6 }), fc.integer({ min: 1, max: 14 }), (texts, size) => {
        const units = texts.map((text, i) => `[[modules]]\nname = "u${i}"\nranks = "${text}"\n`);
        const found = rankClasses(catalogFrom(units.join("")).units, size);
        const membership = (rank: number): string =>
          texts.map((text) => Number(rankSetHas(ranksOf(text), rank))).join("");
        const ofClass = (rank: number): string[] =>
          found.filter((each) => rankSetHas(each, rank)).map(({ text }) => text);
        for (let a = 0; a < size; a++) {
          expect(ofClass(a).length).toBe(1);
          for (let b = 0; b < a; b++) {
            expect(ofClass(a)[0] === ofClass(b)[0]).toBe(membership(a) === membership(b));
          }
        }
        expect(found.some((each) => rankSetHas(each, size))).toBe(false);
      }),
    );
  });

  test("take the last of the facts that are said of them, over those of all", () => {
    const base = { rank: 0, size: 4, config: {}, attrs: { a: "0", b: "0" }, env: { E: "0" } };
    const perRank = [
      { ranks: ranksOf("1-2"), attrs: { a: "1" } },
      { ranks: ranksOf("2"), attrs: { a: "2" }, env: { E: "2" } },
    ];
    expect(factsAt(base, perRank, 0)).toEqual(base);
    expect(factsAt(base, perRank, 1)).toEqual({ ...base, rank: 1, attrs: { a: "1", b: "0" } });
    expect(factsAt(base, perRank, 2)).toEqual({
      ...base,
      rank: 2,
      attrs: { a: "2", b: "0" },
      env: { E: "2" },
    });
    expect(base.attrs).toEqual({ a: "0", b: "0" });
  });
});

test("a matrix has a row for each unit and a cell for each class, planned or with its reason", () => {
  const catalog = catalogFrom(UNITS);
  const perRank = [{ ranks: ranksOf("2-3"), attrs: { gpu: "1" } }];
  const plans = rankClasses(catalog.units, 4, perRank).map((ranks) => {
    const rank = ranks.ranges[0]?.[0] ?? 0;
    const facts = factsAt(
      { rank, size: 4, config: {}, attrs: {}, env: { SLURM_JOB_ID: "1" } },
      perRank,
      rank,
    );
    return { ranks, plan: valueOf(plan(catalog, { roots: ROOTS, facts })) };
  });
  const { classes, rows } = rankMatrix(plans);
  expect(classes).toEqual(["0", "1", "2-3"]);
  expect(
    rows.map(({ unit, cells }) => [
      unit,
      ...cells.map((cell) => (cell.kind === "planned" ? cell.action : cell.reason)),
    ]),
  ).toEqual([
    ["plain", "load", "load", "condition"],
    ["leader", "load", "rank", "rank"],
    ["gpu", "condition", "condition", "load"],
    ["batch", "need", "need", "load"],
  ]);
});

describe("why two ranks differ", () => {
  const catalog = fluxCatalog();
  const planAt = (rank: number): Plan => rc1(catalog, { rank });
  const account = (made: Plan) => ({ plan: made, enabled: [], origins: new Map() });
  const lock = (made: Plan, rank: number) =>
    lockOf([{ ranks: { text: `${rank}`, ranges: [[rank, rank]] }, plan: made }], 4, rank);

  /** Units that differ, with the places behind it. */
  function causes(from: number, to: number): Record<string, string[]> {
    const [before, after] = [planAt(from), planAt(to)];
    const differences = diffLocks(lock(before, from), lock(after, to));
    return Object.fromEntries(
      differences.flatMap(({ change }) => {
        if (change.kind !== "in" && change.kind !== "out") return [];
        const found = causesOfDifference(change, account(before), account(after));
        return [[change.unit, found.map(({ unit, reason }) => `${unit} ${reason?.kind ?? ""}`)]];
      }),
    );
  }

  test("is the rank condition of a unit, and what needs it, in both directions", () => {
    const out = causes(0, 3);
    expect(out["cron"]).toEqual(["cron rank"]);
    expect(out["job-manager"]).toEqual(["job-manager rank"]);
    expect(causes(3, 0)).toEqual(out);
    expect(Object.values(out).every((chain) => chain.length > 0)).toBe(true);
  });

  test("has the place in the file that says so", () => {
    const [before, after] = [planAt(0), planAt(3)];
    const [cause] = causesOfDifference(
      { kind: "out", unit: "cron", reason: null },
      account(before),
      account(after),
    );
    const origin = catalog.originOf("cron", "ranks");
    expect(origin?.location?.line).toBeGreaterThan(0);
    expect(cause?.statements[0]).toMatchObject({ unit: "cron", origin: { label: origin?.label } });
  });

  test("is nothing for a rank of the same class", () => {
    expect(causes(1, 3)).toEqual({});
  });
});

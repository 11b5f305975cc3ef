import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  differenceText,
  diffLocks,
  lockOf,
  lockText,
  plan,
  type PlanLock,
  rankClasses,
} from "../../../src/graph/index.js";
import { compose, parseFragment } from "../../../src/units/index.js";
import { catalogOf } from "../../helpers/catalog.js";
import { cases, FACTS } from "../arbitrary.js";
import { valueOf } from "../results.js";

const BASE = `
[[modules]]
name = "kvs"
args = ["a=1"]
after = ["files", "sqlite"]
requires = ["backing"]

[[modules]]
name = "files"
provides = ["backing", "blobs"]
priority = 50

[[modules]]
name = "sqlite"
provides = ["backing", "blobs"]

[[modules]]
name = "cron"
ranks = "0"
`;
const ROOTS = ["kvs", "blobs", "cron"];

function lockFor(text: string, size = 4, rank: number | null = null): PlanLock {
  const catalog = valueOf(compose([valueOf(parseFragment(text, { file: "units.toml" }))]));
  const classes =
    rank === null ? rankClasses(catalog.units, size) : [{ text: `${rank}`, ranges: [[rank, rank]] as const }];
  const plans = classes.map((ranks) => ({
    ranks,
    plan: valueOf(plan(catalog, { roots: ROOTS, facts: { rank: ranks.ranges[0]?.[0] ?? 0, size } })),
  }));
  return lockOf(plans, size, rank);
}

const differences = (before: PlanLock, after: PlanLock): string[] =>
  diffLocks(before, after).map(differenceText);

describe("a lock", () => {
  test("holds the steps, picks and reasons of each class, and what is done for each unit", () => {
    expect(lockFor(BASE)).toEqual({
      format: "sluice-plan",
      version: 1,
      size: 4,
      rank: null,
      units: {
        cron: { exec: false, module: "cron", "on-failure": "panic", thread: "own" },
        kvs: {
          after: ["files", "sqlite"],
          args: ["a=1"],
          exec: false,
          module: "kvs",
          "on-failure": "panic",
          thread: "own",
        },
        sqlite: { exec: false, module: "sqlite", "on-failure": "panic", thread: "own" },
      },
      classes: [
        {
          ranks: "0",
          steps: ["load sqlite", "load kvs", "load cron"],
          picks: { backing: "sqlite", blobs: "sqlite", cron: "cron", kvs: "kvs" },
          leftOut: { files: "sqlite was picked for backing" },
        },
        {
          ranks: "1-3",
          steps: ["load sqlite", "load kvs"],
          picks: { backing: "sqlite", blobs: "sqlite", kvs: "kvs" },
          leftOut: { cron: "not for this rank, but for 0", files: "sqlite was picked for backing" },
        },
      ],
    });
  });

  test("made twice is the same to the byte", () => {
    fc.assert(
      fc.property(cases({ withOrder: true }), ({ units, alternatives, roots, enabled }) => {
        const texts = [units, structuredClone(units)].map((literals) => {
          const catalog = catalogOf(literals, alternatives);
          const made = plan(catalog, { request: { kind: "start", roots }, facts: FACTS, enabled });
          if (!made.ok) return "";
          return lockText(lockOf([{ ranks: { text: "0", ranges: [[0, 0]] }, plan: made.value }], 1, 0));
        });
        expect(texts[0]).toBe(texts[1]);
      }),
      { numRuns: 300 },
    );
  });

  test("does not change with comments, layout, or the order of keys and of what a unit is after", () => {
    const other = `# a comment
[[modules]]
requires = ["backing"]  # another
after = [
  "sqlite",
  "files",
]
args = ["a=1"]
name = "kvs"
${BASE.slice(BASE.indexOf('\n[[modules]]\nname = "files"'))}`;
    expect(lockText(lockFor(other))).toBe(lockText(lockFor(BASE)));
  });
});

describe("a difference", () => {
  test("of a priority that changes the provider of two services is told in one line", () => {
    const changed = lockFor(BASE.replace("priority = 50", "priority = 500"));
    expect(lockText(changed)).not.toBe(lockText(lockFor(BASE)));
    expect(
      differences(lockFor(BASE, 1), lockFor(BASE.replace("priority = 50", "priority = 500"), 1)),
    ).toEqual(["ranks 0: backing, blobs: files instead of sqlite"]);
  });

  test("of the class of ranks is told with its ranks", () => {
    expect(differences(lockFor(BASE), lockFor(BASE.replace('ranks = "0"', 'ranks = "0-1"')))).toEqual([
      "ranks 1-3: cron is added",
    ]);
  });

  test("of what is disabled is told with the reason", () => {
    expect(differences(lockFor(BASE, 1), lockFor(`${BASE}disabled = true\n`, 1))).toEqual([
      "ranks 0: cron is removed: disabled",
    ]);
  });

  test("of arguments and order is told by the key", () => {
    expect(differences(lockFor(BASE, 1), lockFor(BASE.replace("a=1", "a=2"), 1))).toEqual([
      'kvs.args: ["a=2"] instead of ["a=1"]',
    ]);
    expect(differences(lockFor(BASE, 1), lockFor(`${BASE}before = ["kvs", "sqlite"]\n`, 1))).toEqual([
      "ranks 0: cron now comes before sqlite",
      'cron.before: ["kvs","sqlite"] instead of []',
    ]);
  });

  test("between two ranks is told whatever classes they are in", () => {
    expect(differences(lockFor(BASE, 4, 0), lockFor(BASE, 4, 3))).toEqual([
      "ranks 0 → 3: cron is removed: not for this rank, but for 0",
    ]);
  });

  test("of a plan to itself is none", () => {
    expect(differences(lockFor(BASE), lockFor(BASE))).toEqual([]);
  });
});

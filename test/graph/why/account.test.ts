import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  type Account,
  accountFor,
  type AccountInput,
  accountLines,
  accountToJson,
  plan,
} from "../../../src/graph/index.js";
import { compose, disableNames, namedOrigin, parseFragment } from "../../../src/units/index.js";
import { place } from "../../helpers/catalog.js";
import { valueOf } from "../results.js";

const FIXTURES = new URL("../../fixtures/explain/", import.meta.url);
const TEXT = readFileSync(new URL("units.toml", FIXTURES), "utf8");
const ROOTS = ["kvs", "cron", "sdbus", "sdmon", "sched", "report"];

interface Setting {
  readonly rank?: number;
  readonly disable?: string;
  readonly site?: string;
  readonly config?: AccountInput["plan"]["facts"]["config"];
}

function inputFor({ rank = 0, disable = "", site = "", config = {} }: Setting): AccountInput {
  const fragments = [
    valueOf(parseFragment(TEXT, { file: "units.toml" })),
    valueOf(parseFragment(site, { file: "site.toml" })),
  ];
  const catalog = valueOf(
    compose(fragments, { disable: disableNames(disable, namedOrigin("environment FLUX_MODPROBE_DISABLE")) }),
  );
  const origins = new Map(ROOTS.map((name, i) => [name, place("rc1.toml", 1, 9 + 10 * i)]));
  origins.delete("report");
  return {
    plan: valueOf(plan(catalog, { roots: ROOTS, facts: { rank, size: 4, config } })),
    enabled: [],
    origins,
    factOrigin: (fact) => namedOrigin(fact.kind === "rank" ? "flag --rank" : `the ${fact.kind} of the test`),
  };
}

function accountOf(name: string, setting: Setting = {}): { account: Account; input: AccountInput } {
  const input = inputFor(setting);
  const account = accountFor(input, name);
  if (account === undefined) throw new Error(`${name} is not known`);
  return { account, input };
}

interface Case {
  readonly file: string;
  readonly name: string;
  readonly setting?: Setting;
}

const CASES: readonly Case[] = [
  { file: "disabled", name: "mirror" },
  { file: "disabled-by-environment", name: "sqlite", setting: { disable: "sqlite" } },
  { file: "rank", name: "cron" },
  { file: "condition", name: "sdbus" },
  {
    file: "condition-negated",
    name: "sdbus",
    setting: { site: 'sdbus.needs-config = ["!a.b"]', config: { a: { b: false } } },
  },
  { file: "need", name: "sdmon" },
  {
    file: "need-of-nobody",
    name: "helper",
    setting: { site: 'helper.needs = ["ghost"]\nkvs."requires+" = ["helper"]' },
  },
  { file: "set-aside", name: "fancy" },
  { file: "other-provider-by-priority", name: "files" },
  { file: "other-provider-by-order", name: "files", setting: { site: "files.priority = 100" } },
  {
    file: "other-provider-by-alternative",
    name: "sqlite",
    setting: { site: 'alternatives.backing = "files"' },
  },
  { file: "not-asked", name: "crontab" },
  { file: "not-asked-by-anybody", name: "helper" },
  { file: "no-remedy", name: "hopeless" },
  { file: "planned-service", name: "backing" },
  { file: "planned-between-others", name: "kvs" },
  { file: "planned-wildcard", name: "report" },
];

describe("an account of a unit", () => {
  test.each(CASES)("for $file reads as the golden file does", async ({ file, name, setting }) => {
    const { account, input } = accountOf(name, setting);
    const text = `${accountLines(account, input.plan.catalog).join("\n")}\n`;
    await expect(text).toMatchFileSnapshot(new URL(`${file}.txt`, FIXTURES).pathname);
  });

  test.each(CASES)("for $file has the JSON of the golden file", async ({ file, name, setting }) => {
    const { account, input } = accountOf(name, setting);
    const text = `${JSON.stringify(accountToJson(account, input.plan.catalog), undefined, 2)}\n`;
    await expect(text).toMatchFileSnapshot(new URL(`${file}.json`, FIXTURES).pathname);
  });

  test("has a golden file for each reason of docs/design/planning.md §5", () => {
    const kinds = CASES.flatMap(
      ({ name, setting }) => accountOf(name, setting).account.causes[0]?.reason?.kind ?? [],
    );
    expect(new Set(kinds)).toEqual(
      new Set(["disabled", "rank", "condition", "need", "set-aside", "other-provider", "not-asked"]),
    );
  });

  test("gives every cause a place in a file, a variable or a flag", () => {
    for (const { name, setting } of CASES) {
      for (const { statements } of accountOf(name, setting).account.causes) {
        for (const { origin } of statements)
          expect(origin?.label).toMatch(/^\S+:\d+:\d+$|^environment |^flag |^the /);
      }
    }
  });

  test("of a name that nothing has is none", () => {
    expect(accountFor(inputFor({}), "ghost")).toBeUndefined();
  });

  test("makes no search when it is given no budget", () => {
    expect(accountFor({ ...inputFor({}), budget: 0 }, "cron")?.advice).toBeUndefined();
  });

  test("ends where units that are not asked for need and require each other", () => {
    const ring =
      '[[modules]]\nname = "x"\nneeds = ["y"]\nrequires = ["y"]\n[[modules]]\nname = "y"\nrequires = ["x"]';
    expect(accountOf("x", { site: ring }).account.causes.length).toBeLessThanOrEqual(2);
  });

  test("follows a chain of 20,000 needs to its end without recursion", () => {
    const chain = Array.from(
      { length: 20_000 },
      (_, i) => `[[modules]]\nname = "c${i}"\nneeds = ["c${i + 1}"]\n`,
    );
    const input = inputFor({ site: chain.join("") });
    const account = accountFor({ ...input, budget: 0 }, "c0");
    expect(account?.causes.length).toBe(20_000);
    expect(account?.causes.at(-1)?.text).toBe("needs c20000, which no unit provides");
  });
});

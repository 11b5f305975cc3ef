import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  afterLine,
  type Catalog,
  compose,
  parseFragment,
  relationBetween,
  type UnitUpdate,
  updatesToToml,
} from "../../src/units/index.js";

function catalogFrom(files: Readonly<Record<string, string>>): Catalog {
  const fragments = Object.entries(files).map(([file, text]) => {
    const parsed = parseFragment(text, { file });
    if (!parsed.ok) throw new Error(parsed.diagnostics[0]?.message);
    return parsed.value;
  });
  const composed = compose(fragments);
  if (!composed.ok) throw new Error(composed.diagnostics[0]?.message);
  return composed.value;
}

const BASE = `[[modules]]
name = "sqlite"
provides = ["backing"]

[[modules]]
name = "kvs"
after = ["content"]

[[modules]]
name = "cron"
before = ["kvs"]
`;
const SITE = "modules:\n  - name: page\n  - name: probe\n    after: [kvs]\n";
const catalog = catalogFrom({ "/base.toml": BASE, "/site.yaml": SITE });

describe("the line that puts a unit after another", () => {
  test("names the service that it asks, and stands with the name of a unit without after", () => {
    const line = afterLine(catalog, { unit: "cron", other: "sqlite", services: ["backing"] });
    expect(line).toMatchObject({
      ...{ name: "backing", text: 'after = ["backing"]', isReplaced: false },
      place: { file: "/base.toml", line: 10 },
    });
  });

  test("takes the place of an after that is there, and names the unit where it provides no such service", () => {
    const line = afterLine(catalog, { unit: "kvs", other: "sqlite", services: ["other"] });
    expect(line).toMatchObject({
      ...{ name: "sqlite", text: 'after = ["content", "sqlite"]', isReplaced: true },
      place: { file: "/base.toml", line: 7 },
    });
  });

  test("is in YAML where the file is", () => {
    const add = (unit: string) => afterLine(catalog, { unit, other: "cron", services: ["cron"] });
    expect(add("page")).toMatchObject({ text: 'after: ["cron"]', place: { file: "/site.yaml", line: 2 } });
    expect(add("probe")).toMatchObject({ text: 'after: ["kvs", "cron"]', place: { line: 4 } });
    expect(add("gone")).toBeUndefined();
  });
});

test("a relation has the key and the place that made it, on whichever side", () => {
  expect(relationBetween(catalog, "probe", "kvs")).toMatchObject({
    unit: "probe",
    key: "after",
    name: "kvs",
  });
  expect(relationBetween(catalog, "kvs", "cron")).toMatchObject({
    ...{ unit: "cron", key: "before", name: "kvs" },
    place: { file: "/base.toml", line: 11 },
  });
  expect(relationBetween(catalog, "kvs", "page")).toBeUndefined();
});

test("edits as a unit file do what they say, and those that are proposed do nothing", () => {
  const names = ["sqlite", "kvs", "cron", "page", "probe"];
  const update: fc.Arbitrary<UnitUpdate> = fc.record({
    unit: fc.constantFrom(...names),
    key: fc.constant("after"),
    edit: fc.constantFrom("+" as const, "-" as const),
    values: fc.uniqueArray(fc.constantFrom(...names, "content"), { minLength: 1 }),
    comments: fc.array(fc.string(), { maxLength: 2 }),
    isProposed: fc.boolean(),
  });
  // A key that both adds and takes away is an error of its own.
  const oneWay = fc.uniqueArray(update, { selector: ({ unit }) => unit });
  fc.assert(
    fc.property(oneWay, (updates) => {
      const text = updatesToToml(updates).join("\n");
      const edited = catalogFrom({ "/base.toml": BASE, "/site.yaml": SITE, "/z.toml": text });
      for (const { name, after } of edited.units) {
        const was = catalog.byName.get(name)?.after ?? [];
        const own = updates.find(({ unit, isProposed }) => unit === name && isProposed !== true);
        if (own === undefined) expect(after).toEqual(was);
        else if (own.edit === "+") expect(new Set(after)).toEqual(new Set([...was, ...own.values]));
        else expect(after).toEqual(was.filter((one) => !own.values.includes(one)));
      }
    }),
  );
});

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Facts, plan, showDeps } from "../../src/graph/index.js";
import { composeUnits, parseFragment } from "../../src/units/index.js";
import { catalogOf, composeFiles, errorsOf, summaryOf, unitOf, valueOf, withDirectory } from "./support.js";

const FACTS: Facts = { rank: 0, size: 1, config: {}, attrs: {}, env: {} };

/** What files plan for these roots. */
function planOf(files: Readonly<Record<string, string>>, roots: readonly string[], facts = FACTS) {
  return valueOf(plan(catalogOf(files), { roots, facts }));
}

const namesOf = (...args: Parameters<typeof planOf>) => planOf(...args).steps.map(({ unit }) => unit.name);

const TWO = `
[[modules]]
name = "high"
provides = ["s"]
[[modules]]
name = "low"
provides = ["s"]
priority = 1
`;

describe("where fragments mean something else than for flux-modprobe", () => {
  test("row 10: conditions can be updated, and count", () => {
    const files = {
      "a.toml": TWO,
      "b.toml": '[high]\nneeds-config = ["c.d"]\nneeds-attrs = ["!a"]\n"needs-env+" = ["E"]\n',
    };
    expect(unitOf(catalogOf(files), "high")).toMatchObject({
      needsConfig: [{ key: "c.d", negated: false }],
      needsAttrs: [{ key: "a", negated: true }],
      needsEnv: [{ key: "E", negated: false }],
    });
    expect(namesOf(files, ["s"])).toEqual(["low"]);
    const met = { ...FACTS, config: { c: { d: false } }, env: { E: "" } };
    expect(namesOf(files, ["s"], met)).toEqual(["high"]);
    expect(namesOf(files, ["s"], { ...met, attrs: { a: "0" } })).toEqual(["low"]);
  });

  test("row 11: an update of provides replaces; + adds and - takes away", () => {
    const provides = (update: string) =>
      unitOf(catalogOf({ "a.toml": TWO, "b.toml": `[high]\n${update}\n` }), "high").provides;
    expect(provides('provides = ["t"]')).toEqual(["t"]);
    expect(provides('"provides+" = ["t"]')).toEqual(["s", "t"]);
    expect(provides('"provides-" = ["s"]')).toEqual([]);
    const files = { "a.toml": TWO, "b.toml": 'high.provides = ["t"]\n' };
    expect(namesOf(files, ["s"])).toEqual(["low"]);
  });

  test("row 12: alternatives in a unit file force the provider", () => {
    expect(namesOf({ "a.toml": TWO }, ["s"])).toEqual(["high"]);
    expect(namesOf({ "a.toml": TWO, "b.toml": '[alternatives]\ns = "low"\n' }, ["s"])).toEqual(["low"]);
  });

  test('row 14: after = ["*", "x"] means both', () => {
    const file = ["x", "y", "last"].map((name) => `[[modules]]\nname = "${name}"\n`).join("");
    const files = { "a.toml": `${file}[last]\nafter = ["*", "x"]\n[x]\nafter = ["*"]\n` };
    const deps = showDeps(planOf(files, ["x", "y", "last"]));
    expect(deps).toMatchObject({ x: ["y"], last: ["x", "y"] });
  });

  test('row 16: before = ["*"] with after is an error even when an update made it', () => {
    const file = '[[modules]]\nname = "first"\nbefore = ["*"]\n[[modules]]\nname = "b"\n';
    const result = composeFiles({ "a.toml": file, "b.toml": '[first]\nafter = ["b"]\n' });
    expect(summaryOf(result)).toEqual(["UNIT_WILDCARD_CONFLICT a.toml:3:11"]);
    expect(errorsOf(result)[0]?.message).toBe(
      `first: cannot specify 'before=["*"]' when 'after' is also set`,
    );
  });

  test("row 18: a configuration key below a plain value is not set", () => {
    const files = {
      "a.toml":
        '[[modules]]\nname = "a"\nneeds-config = ["k.below"]\n[[modules]]\nname = "b"\nneeds-config = ["!k.below"]\n',
    };
    expect(namesOf(files, ["a", "b"], { ...FACTS, config: { k: 1 } })).toEqual(["b"]);
    expect(namesOf(files, ["a", "b"], { ...FACTS, config: { k: { below: 0 } } })).toEqual(["a"]);
  });

  test("row 21: one name twice in one file is an error, in two files an update", () => {
    const one = '[[modules]]\nname = "a"\n';
    const again = '[[modules]]\nname = "a"\npriority = 5\n';
    expect(summaryOf(composeFiles({ "a.toml": one + again }))).toEqual(["UNIT_DUPLICATE_NAME a.toml:4:8"]);
    expect(unitOf(catalogOf({ "a.toml": one, "b.toml": again }), "a").priority).toBe(5);
  });

  test("row 22: an update at the top of a file is applied after the modules below it", () => {
    const file = 'a.ranks = "0-1"\n[[modules]]\nname = "a"\nranks = "7"\n';
    expect(unitOf(catalogOf({ "a.toml": file }), "a").ranks.text).toBe("0-1");
  });

  test("row 27: a string for a list, and a number for ranks, are errors with their place", () => {
    const text = '[[modules]]\nname = "a"\nrequires = "bc"\nranks = 0\n';
    const parsed = parseFragment(text, { file: "a.toml" });
    expect(summaryOf(parsed)).toEqual(["UNIT_WRONG_TYPE a.toml:3:12", "UNIT_WRONG_TYPE a.toml:4:9"]);
  });

  test("fault-F7, row 29: a comma at the end, an empty text and a bound below 0 are no ranks", () => {
    for (const ranks of ["0-3,", "", ">-1"]) {
      const parsed = parseFragment(`[[modules]]\nname = "a"\nranks = "${ranks}"\n`, { file: "a.toml" });
      expect(summaryOf(parsed)).toEqual(["UNIT_INVALID_RANKS a.toml:3:9"]);
      expect(errorsOf(parsed)[0]?.message).toBe(`invalid idset '${ranks}'`);
    }
  });

  test("fault-F10, row 32: blanks separate the names of FLUX_MODPROBE_DISABLE, and an empty one has none", async () => {
    await withDirectory(async (directory) => {
      await mkdir(join(directory, "modprobe.d"), { recursive: true });
      const text = ["p", "q", "r"].map((name) => `[[modules]]\nname = "${name}"\n`).join("");
      await writeFile(join(directory, "modprobe.d/a.toml"), text);
      const disabled = async (value: string): Promise<string[]> => {
        const env = { FLUX_MODPROBE_PATH: directory, FLUX_MODPROBE_DISABLE: value };
        const { units } = valueOf(await composeUnits({ env, dataDir: directory }));
        return units.filter((unit) => unit.disabled).map(({ name }) => name);
      };
      expect(await disabled("")).toEqual([]);
      expect(await disabled("p, q")).toEqual(["p", "q"]);
      expect(await disabled(" p q,")).toEqual(["p", "q"]);
    });
  });

  test("row 28: directories of FLUX_MODPROBE_PATH_PREPEND come first", async () => {
    await withDirectory(async (directory) => {
      for (const [place, priority] of [
        ["early", 1],
        ["late", 2],
      ] as const) {
        await mkdir(join(directory, place, "modprobe.d"), { recursive: true });
        const text = `[[modules]]\nname = "${place}"\n[[modules]]\nname = "both"\npriority = ${priority}\n`;
        await writeFile(join(directory, place, "modprobe.d/a.toml"), text);
      }
      const env = {
        FLUX_MODPROBE_PATH: join(directory, "late"),
        FLUX_MODPROBE_PATH_PREPEND: join(directory, "early"),
      };
      const catalog = valueOf(await composeUnits({ env, dataDir: directory }));
      expect(catalog.units.map(({ name }) => name)).toEqual(["early", "both", "late"]);
      expect(unitOf(catalog, "both").priority).toBe(2);
    });
  });
});

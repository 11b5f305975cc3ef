import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { stringify } from "smol-toml";
import { expect, test } from "vitest";
import {
  type Catalog,
  compositionWarnings,
  composeUnits,
  FragmentCache,
  parseFragment,
  readRcFragment,
} from "../../../src/units/index.js";
import { UNIT_KEYS } from "../../../src/units/keys/unit-keys.js";
import { valueOf, withDirectory } from "../support.js";
import { runs } from "../../helpers/property-runs.js";

const name = fc.constantFrom("a", "b", "m", "s", "7", "constructor", "x@1:y+z");
const names = fc.array(fc.oneof({ weight: 9, arbitrary: name }, { weight: 1, arbitrary: fc.constant("*") }), {
  maxLength: 3,
});
const texts = fc.array(fc.string({ unit: "grapheme", maxLength: 5 }), { maxLength: 3 });
const duration = fc.constantFrom("30s", "1.5h", "infinity");
const common = {
  provides: fc.array(name, { maxLength: 2 }),
  requires: fc.array(name, { maxLength: 3 }),
  needs: fc.array(name, { maxLength: 3 }),
  after: names,
  priority: fc.integer({ min: -5, max: 5 }),
  ranks: fc.constantFrom("all", "0", "0-3,7", ">0", "<0"),
  "needs-env": fc.constantFrom(["A"], ["!A", "B"], []),
  disabled: fc.boolean(),
  timeout: duration,
};
const moduleKeys = {
  module: fc.constantFrom("./m.ts", "../up/m.py", "/abs/m.js", "bare"),
  args: texts,
  "memory-limit": fc.constantFrom("512MiB", "1GB"),
  "on-failure": fc.constantFrom("panic", "log", "restart"),
};
const programKeys = {
  directory: fc.constantFrom("./d", "/"),
  environment: fc.dictionary(fc.constantFrom("A", "constructor", "toString"), fc.string({ maxLength: 4 }), {
    maxKeys: 3,
  }),
  ready: fc.constantFrom({ tcp: "127.0.0.1:80" }, { command: "true", interval: "1s" }, { log: "up" }),
  stop: fc.constantFrom({ signal: "SIGINT" }, { signal: "SIGINT", timeout: "2s" }),
  limits: fc.constantFrom({ nofile: "100:infinity" }, { core: 0 }),
  restart: fc.constantFrom({ delay: "1s", tries: 3 }, { tries: "infinity" }),
  success: fc.constantFrom([1, "SIGTERM"], [3]),
};
type Arbitraries<T> = { [K in keyof T]: fc.Arbitrary<T[K]> };
const optional = <T>(record: Arbitraries<T>) => fc.record(record, { requiredKeys: [] });
const tables = <T>(own: readonly string[], keys: fc.Arbitrary<T>) =>
  fc.uniqueArray(
    fc.tuple(fc.constantFrom(...own), keys).map(([named, rest]) => ({ ...rest, name: named })),
    { maxLength: 4, selector: (unit) => unit.name },
  );
const MODULES = ["a", "b", "7", "constructor"];
const PROGRAMS = ["m", "s", "x@1:y+z"];
const command = fc.oneof(fc.constant("sleep 1"), fc.constant(["sleep", "1"]));
const update = fc.oneof(
  optional(common),
  optional({ "requires+": fc.array(name), "requires-": fc.array(name), "needs-env+": fc.constant(["C"]) }),
);
const document = fc
  .record({
    modules: fc
      .tuple(
        tables(MODULES, optional({ ...common, ...moduleKeys })),
        tables(PROGRAMS, fc.record({ ...common, ...programKeys, command }, { requiredKeys: ["command"] })),
      )
      .map((parts) => parts.flat()),
    tasks: tables(
      ["t", "u"],
      optional({ ...common, command, runlevels: fc.constantFrom(["rc1"], ["rc1", "rc3"]) }),
    ),
    updates: fc.dictionary(name, update, { maxKeys: 2 }),
    alternatives: fc.array(name, { maxLength: 2 }),
  })
  .map(({ updates, alternatives, ...rest }) => ({
    ...rest,
    ...updates,
    alternatives: Object.fromEntries(alternatives.map((own) => [own, own])),
  }));
/** All that updates may name. */
const FIRST = {
  modules: [
    ...MODULES.map((own) => ({ name: own })),
    ...PROGRAMS.map((own) => ({ name: own, command: "true" })),
  ],
};
const file = fc.tuple(document, fc.constantFrom("toml", "yaml"), fc.constantFrom("", "\uFEFF"));

/** A file of TOML is kept from this size on. */
const PADDING = `${"#".repeat(99)}\n`.repeat(330);

function textOf([value, format, mark]: readonly [object, string, string]): string {
  return mark + (format === "toml" ? PADDING + stringify(value) : JSON.stringify(value, undefined, 1));
}

/** Everything that a catalog answers, with all places. */
function answersOf(catalog: Catalog): unknown {
  const elements = [undefined, "a", "7", "*", "!A", "constructor"];
  return {
    units: catalog.units,
    byName: [...catalog.byName],
    providers: [...catalog.providers],
    alternatives: catalog.alternatives.map(({ service, unit, origin: { label, location } }) => [
      service,
      unit,
      label,
      location,
    ]),
    origins: catalog.units.flatMap((unit) =>
      ["name", ...UNIT_KEYS.map(({ key }) => key)].flatMap((key) =>
        elements.map((element) => {
          const origin = catalog.originOf(unit.name, key, element);
          return origin && [unit.name, key, element, origin.label, origin.location];
        }),
      ),
    ),
    warnings: compositionWarnings(catalog),
  };
}

test("a catalog from the cache is the one read anew, with all its places", async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 3 }), async (files) => {
      await withDirectory(async (directory) => {
        mkdirSync(join(directory, "modprobe.d"));
        writeFileSync(join(directory, "modprobe.d/0-a.toml"), textOf([FIRST, "toml", ""]));
        for (const [index, each] of files.entries()) {
          writeFileSync(join(directory, "modprobe.d", `${index}-more.${each[1]}`), textOf(each));
        }
        const kept = join(directory, "kept");
        const read = (cache: FragmentCache | undefined) =>
          composeUnits({ dataDir: directory, searchPath: [directory], disableFromEnv: false, cache });
        const [anew, first, again] = [
          await read(undefined),
          await read(FragmentCache.in(kept)),
          await read(FragmentCache.in(kept)),
        ];
        for (const other of [first, again]) {
          if (anew.ok && other.ok) {
            compared++;
            expect(answersOf(other.value)).toStrictEqual(answersOf(anew.value));
            expect(other.warnings).toEqual(anew.warnings);
          } else expect(other).toEqual(anew);
        }
      });
    }),
    runs(15),
  );
  expect(compared).toBeGreaterThan(7);
});

test("load and remove of an rc file come from the cache with their places", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "rc.toml");
    writeFileSync(path, `${PADDING}load = ["a", "b"]\nremove = ["c"]\n`);
    const cache = FragmentCache.in(join(directory, "kept"));
    const [anew, first, again] = [
      valueOf(await readRcFragment(path)),
      valueOf(await readRcFragment(path, { cache })),
      valueOf(await readRcFragment(path, { cache })),
    ];
    const places = ({ load, remove }: typeof anew) =>
      [...load, ...remove].map(({ name: own, origin }) => [own, origin.location]);
    expect(places(first)).toEqual(places(anew));
    expect(places(again)).toEqual(places(anew));
    expect(places(again)).toEqual([
      ["a", expect.objectContaining({ line: 331, column: 9 })],
      ["b", expect.objectContaining({ line: 331, column: 14 })],
      ["c", expect.objectContaining({ line: 332, column: 11 })],
    ]);
  });
});

/** A directory with one large file, and what composing it with the cache gives. */
async function withSite(
  use: (site: {
    file: string;
    kept: string;
    names: () => Promise<string[]>;
    entries: () => string[];
  }) => Promise<void>,
): Promise<void> {
  await withDirectory(async (directory) => {
    mkdirSync(join(directory, "modprobe.d"));
    const path = join(directory, "modprobe.d/a.toml");
    writeFileSync(path, `${PADDING}[[modules]]\nname = "old"\n`);
    const kept = join(directory, "kept");
    await use({
      file: path,
      kept,
      names: async () => {
        const cache = FragmentCache.in(kept);
        const options = { dataDir: directory, searchPath: [directory], disableFromEnv: false, cache };
        return valueOf(await composeUnits(options)).units.map((unit) => unit.name);
      },
      entries: () => readdirSync(kept).map((entry) => join(kept, entry)),
    });
  });
}

test("what is kept is used, and a file that has changed is read anew, with the same size and times too", async () => {
  await withSite(async ({ file: path, kept, names, entries }) => {
    expect(await names()).toEqual(["old"]);
    const [entry = ""] = entries();
    const before = statSync(entry).ino;
    expect(await names()).toEqual(["old"]);
    expect(statSync(entry).ino).toBe(before);
    // Kept in its place, other units come out: that is how a use shows.
    const other = valueOf(parseFragment('[[modules]]\nname = "other"\n', { file: path }));
    FragmentCache.in(kept)
      .look({ file: path, bytes: readFileSync(path), meaning: ["toml", "unit-file"] })
      ?.write(other);
    expect(await names()).toEqual(["other"]);
    writeFileSync(path, `${PADDING}[[modules]]\nname = "new"\n`);
    expect(await names()).toEqual(["new"]);
    expect(entries()).toHaveLength(2);
  });
});

test("a broken entry is ignored and replaced", async () => {
  await withSite(async ({ names, entries }) => {
    await names();
    const [entry = ""] = entries();
    const whole = readFileSync(entry);
    const breakings = [
      () => truncateSync(entry, 0),
      () => truncateSync(entry, whole.length - 1),
      () => appendFileSync(entry, "x"),
      ...[0, 31, 32, 40, whole.length - 1].map((at) => () => {
        const wrong = Buffer.from(whole);
        wrong[at] = (wrong[at] ?? 0) ^ 1;
        writeFileSync(entry, wrong);
      }),
    ];
    for (const breakIt of breakings) {
      breakIt();
      expect(await names()).toEqual(["old"]);
      expect(readFileSync(entry).equals(whole)).toBe(true);
    }
  });
});

test("a small file of TOML, and a file with an error, are not kept", async () => {
  await withDirectory(async (directory) => {
    mkdirSync(join(directory, "modprobe.d"));
    writeFileSync(join(directory, "modprobe.d/small.toml"), '[[modules]]\nname = "a"\n');
    writeFileSync(
      join(directory, "modprobe.d/wrong.toml"),
      `${PADDING}[[modules]]\nname = "b"\nranks = "x"\n`,
    );
    const kept = join(directory, "kept");
    const read = () =>
      composeUnits({ dataDir: directory, searchPath: [directory], cache: FragmentCache.in(kept) });
    const results = [await read(), await read()];
    for (const result of results) {
      expect(result.ok ? [] : result.diagnostics.map(({ code }) => code)).toEqual(["UNIT_INVALID_RANKS"]);
    }
    expect(readdirSync(directory)).toEqual(["modprobe.d"]);
  });
});

test("a link to the same content in another directory resolves its paths there", async () => {
  await withDirectory(async (directory) => {
    const cache = FragmentCache.in(join(directory, "kept"));
    const text = `${PADDING}[[modules]]\nname = "m"\nmodule = "./m.ts"\n`;
    for (const part of ["one", "two"]) {
      mkdirSync(join(directory, part));
      writeFileSync(join(directory, part, "rc.toml"), text);
      const fragment = valueOf(await readRcFragment(join(directory, part, "rc.toml"), { cache }));
      expect(fragment.definitions[0]?.settings.module).toBe(join(directory, part, "m.ts"));
    }
  });
});

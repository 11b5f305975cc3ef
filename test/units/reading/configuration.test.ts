import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Result } from "../../../src/errors/index.js";
import {
  checkConfiguration,
  compose,
  composeUnits,
  configGet,
  LayeredConfiguration,
  mergeConfig,
  parseConfigText,
  readConfiguration,
} from "../../../src/units/index.js";
import { errorsOf, summaryOf, valueOf, withDirectory } from "../support.js";

const flags = (...texts: string[]) =>
  readConfiguration(texts.map((text) => ({ kind: "flag" as const, text })));
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("a dotted key", () => {
  const table = { a: { b: { c: 0 } }, plain: "x", list: [1], no: false, "": 1 };

  test.each([
    ["a.b.c", 0],
    ["a.b", { c: 0 }],
    ["plain", "x"],
    ["no", false],
  ])("%s is set, whatever its value", (key, value) => {
    expect(configGet(table, key)).toEqual(value);
  });

  test.each([
    "x",
    "a.x",
    "a.b.c.d",
    "plain.length",
    "list.0",
    "no.x",
    "a.b.c.toFixed",
    "constructor",
    "a.__proto__",
    "a..b",
  ])("%s is not set", (key) => {
    expect(configGet(table, key)).toBeUndefined();
  });
});

test.each([
  ["toml", "constructor.toString = 1\n[modules.constructor]\npriority = 3\n"],
  ["yaml", "constructor: { toString: 1 }\nmodules: { constructor: { priority: 3 } }\n"],
  ["json", '{"constructor": {"toString": 1}, "modules": {"constructor": {"priority": 3}}}'],
])("fault-F3: a configuration in %s may have keys called constructor", (format, text) => {
  const table = valueOf(parseConfigText(text, `a.${format}`));
  expect(configGet(table, "constructor.toString")).toBe(1);
  expect(configGet(table, "modules.constructor.priority")).toBe(3);
  expect(plain(mergeConfig(table, table))).toEqual(plain(table));
});

describe("configurations are merged", () => {
  test("table by table, everything else replaced", () => {
    const merged = mergeConfig(
      { a: { x: 1, y: [1] }, b: 1, c: { z: 1 } },
      { a: { y: [2] }, b: { q: 1 }, c: 3 },
    );
    expect(plain(merged)).toEqual({ a: { x: 1, y: [2] }, b: { q: 1 }, c: 3 });
  });

  test("without a way to the prototypes of others", () => {
    const evil = valueOf(parseConfigText('{"__proto__": {"polluted": true}}', "a.json"));
    mergeConfig({}, evil);
    expect("polluted" in {}).toBe(false);
    expect(configGet(evil, "polluted")).toBeUndefined();
  });
});

describe("a flag KEY=VALUE", () => {
  test.each([
    ["a.b=1", { a: { b: 1 } }],
    ["a=true", { a: true }],
    ['a=["x"]', { a: ["x"] }],
    ['a={"b": 0}', { a: { b: 0 } }],
    ["a=text", { a: "text" }],
    ["a=", { a: "" }],
    ["a=b=c", { a: "b=c" }],
    ['a="1"', { a: "1" }],
    ["a=/path/x=y", { a: "/path/x=y" }],
    ["modules.alternatives.sched=sched-simple", { modules: { alternatives: { sched: "sched-simple" } } }],
  ])("%s", async (text, expected) => {
    expect(plain(valueOf(await flags(text)).table)).toEqual(expected);
  });

  test("is laid over the flags before it, and null unsets nothing but itself", async () => {
    expect(plain(valueOf(await flags("a.b=1", "a.c=2", "a.b=3", "d=null")).table)).toEqual({
      a: { b: 3, c: 2 },
    });
  });

  test.each(["=1", ".a=1", "a.=1", "a..b=1", "__proto__.x=1"])("cannot be %s", async (text) => {
    expect(errorsOf(await flags(text))).toMatchObject([{ code: "BROKER_CONFIG" }]);
  });

  test("has no places, and is named in what it sets", async () => {
    const configuration = valueOf(await flags("modules.a.priority=x"));
    expect(errorsOf(checkConfiguration(configuration))).toMatchObject([
      { code: "UNIT_WRONG_TYPE", location: undefined },
    ]);
  });
});

describe("a configuration of files", () => {
  const withFiles = async (
    files: Readonly<Record<string, string>>,
    use: (
      path: (name: string) => string,
      read: (...names: string[]) => Promise<Result<LayeredConfiguration>>,
    ) => Promise<void>,
  ) =>
    withDirectory(async (directory) => {
      await mkdir(join(directory, "d"));
      for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
      const path = (name: string) => join(directory, name);
      await use(path, (...names) =>
        readConfiguration(names.map((name) => ({ kind: "path", path: path(name) }))),
      );
    });

  test("is TOML, YAML or JSON, or a directory of them by name", async () => {
    const files = {
      "a.toml": "x = 1\ny = 1\nwhen = 2026-01-01T00:00:00Z\nbig = 9007199254740993\n",
      "d/2.json": '{\n\t"x": 2\n}',
      "d/1.yaml": "x: 3\nw: {v: 1}\n",
      "d/notes.txt": "nothing",
    };
    await withFiles(files, async (_, read) => {
      const { table } = valueOf(await read("a.toml", "d"));
      expect(table).toMatchObject({ x: 2, y: 1, w: { v: 1 }, big: 9007199254740993n });
      expect(table["when"]).toBeInstanceOf(Date);
    });
  });

  test("may be named by a flag", async () => {
    await withFiles({ "a.toml": "x = 1\n" }, async (path) => {
      expect(plain(valueOf(await flags(path("a.toml"))).table)).toEqual({ x: 1 });
    });
  });

  test("has all its problems reported at once", async () => {
    await withFiles({ "a.toml": "x = \n", "b.json": "[1]", "c.txt": "" }, async (_, read) => {
      const codes = errorsOf(await read("a.toml", "b.json", "c.txt", "none.toml")).map(({ code }) => code);
      expect(codes).toEqual(["UNIT_SYNTAX", "BROKER_CONFIG", "UNIT_UNKNOWN_FORMAT", "UNIT_UNREADABLE"]);
    });
  });

  test("keeps the place of each value in the file that set it last", async () => {
    await withFiles(
      {
        "a.toml": '[loaders.lua]\nsuffixes = ".lua"\n',
        "b.toml": '[loaders.lua]\ncommand = ["x"]\n[modules.nobody]\nranks = "0"\n',
      },
      async (path, read) => {
        const configuration = valueOf(await read("a.toml", "b.toml"));
        expect(summaryOf(checkConfiguration(configuration))).toEqual([
          `BROKER_CONFIG ${path("a.toml")}:2:12`,
        ]);
        const units = await composeUnits({
          env: {},
          dataDir: "/nowhere",
          searchPath: [],
          config: configuration,
        });
        expect(summaryOf(units)).toEqual([`UNIT_UNKNOWN_UNIT ${path("b.toml")}:3:1`]);
      },
    );
  });
});

describe("the tables that are ours are checked", () => {
  const codes = (table: Parameters<typeof LayeredConfiguration.of>[0]) => {
    const result = checkConfiguration(LayeredConfiguration.of(table));
    return result.ok ? [] : result.diagnostics.map(({ code }) => code);
  };

  test.each([
    ["a site's own tables", { site: { anything: [1, { x: 1 }] }, exec: 3 }, []],
    [
      "loaders",
      { loaders: { lua: { suffixes: [".lua"], command: ["lua-loader"] }, x: { plugin: "./x.js" } } },
      [],
    ],
    ["kinds", { kinds: { sched: "1.0" } }, []],
    ["kinds with methods", { kinds: { sched: { version: "1.0", methods: ["alloc"] } } }, []],
    ["a kind with methods and no version", { kinds: { sched: { methods: ["alloc"] } } }, ["BROKER_CONFIG"]],
    ["a kind whose version is none", { kinds: { sched: { version: "one" } } }, ["BROKER_CONFIG"]],
    [
      "a kind whose methods are none",
      { kinds: { sched: { version: "1", methods: [7] } } },
      ["BROKER_CONFIG"],
    ],
    ["an unknown key of a loader", { loaders: { lua: { command: ["x"], colour: 1 } } }, ["BROKER_CONFIG"]],
    ["a loader that loads nothing", { loaders: { lua: { suffixes: [".lua"] } } }, ["BROKER_CONFIG"]],
    ["a kind without a version", { kinds: { sched: 1 } }, ["BROKER_CONFIG"]],
    ["an unknown key of a unit", { modules: { a: { colour: 1 } } }, ["UNIT_UNKNOWN_KEY"]],
    ["modules that are no table", { modules: ["a"] }, ["UNIT_WRONG_TYPE"]],
    ["a reserved name of a unit", { modules: { tasks: {} } }, ["UNIT_INVALID_NAME"]],
  ])("%s", (_, table, expected) => {
    expect(codes(table)).toEqual(expected);
  });
});

describe("text from standard input", () => {
  test.each([
    ["TOML", 'a.b = "c"\n', { a: { b: "c" } }],
    ["JSON", ' {"a": {"b": "c"}}', { a: { b: "c" } }],
    ["YAML", "a:\n  b: c\n", { a: { b: "c" } }],
    ["nothing", "", {}],
  ])("may be %s", (_, text, expected) => {
    expect(plain(valueOf(parseConfigText(text, "<stdin>")))).toEqual(expected);
  });

  test.each([
    ["neither TOML nor YAML", "a = = b", "UNIT_SYNTAX <stdin>:1:5"],
    ["broken JSON", '{"a": 1,}', "UNIT_SYNTAX <stdin>:1:1"],
    ["JSON that is no table", '{"a": [null]}', "BROKER_CONFIG <stdin>:1:8"],
  ])("cannot be %s", (_, text, expected) => {
    expect(summaryOf(parseConfigText(text, "<stdin>"))).toEqual([expected]);
  });

  test("cannot be nested without end", () => {
    const toml = `a = ${"[".repeat(500)}${"]".repeat(500)}\n`;
    const json = `{"a": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    const dotted = `a${".a".repeat(5000)} = 1\n`;
    expect(errorsOf(parseConfigText(toml, "a.toml"))).toMatchObject([{ code: "BROKER_CONFIG" }]);
    expect(errorsOf(parseConfigText(json, "a.json"))).toMatchObject([{ code: "BROKER_CONFIG" }]);
    expect(errorsOf(parseConfigText(dotted, "a.toml"))).toMatchObject([{ code: "BROKER_CONFIG" }]);
  });
});

test("an empty configuration changes nothing", () => {
  expect(compose([]).ok).toBe(true);
  expect(LayeredConfiguration.of({}).get("a")).toBeUndefined();
});

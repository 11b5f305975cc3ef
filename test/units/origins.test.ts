import { describe, expect, test } from "vitest";
import { codeFragment, compose, namedOrigin, parseFragment } from "../../src/units/index.js";
import { catalogOf, fragmentsOf, valueOf } from "./support.js";

const FILES = {
  "1.toml": `[[modules]]
name = "m"
after = ["a", "b"]
ranks = "0"
`,
  "2.toml": `m.ranks = "1"
`,
  "3.toml": `[m]
"after+" = ["b", "c"]
"after-" = ["a"]
`,
};

describe("every value remembers what set it", () => {
  const catalog = catalogOf(FILES);
  const origin = (key: string, element?: string) => catalog.originOf("m", key, element)?.label;

  test("in its definition", () => {
    expect(origin("name")).toBe("1.toml:2:8");
  });

  test("through an update by another file", () => {
    expect(origin("ranks")).toBe("2.toml:1:11");
  });

  test("for each element of a list: the file that put it there", () => {
    expect(origin("after", "b")).toBe("1.toml:3:15");
    expect(origin("after", "c")).toBe("3.toml:2:18");
    expect(origin("after", "a")).toBeUndefined();
    expect(origin("after")).toBe("3.toml:3:12");
  });

  test("and nothing remembers a default, or what is no key", () => {
    expect(origin("priority")).toBeUndefined();
    expect(origin("no-such-key")).toBeUndefined();
    expect(catalog.originOf("nobody", "ranks")).toBeUndefined();
  });

  test("with the line itself", () => {
    expect(catalog.originOf("m", "ranks")?.location).toEqual({
      file: "2.toml",
      line: 1,
      column: 11,
      endLine: 1,
      endColumn: 14,
      sourceLine: 'm.ranks = "1"',
    });
  });
});

test("arguments of setopt remember their rc file, and come after whatever tables say", () => {
  const rc = codeFragment({
    file: "rc1.ts",
    tasks: [],
    edits: [{ kind: "setopt", module: "m", options: ["y  z"], overwrite: false }],
  });
  const later = parseFragment('m.args = ["x"]\n', { file: "9.toml" });
  const catalog = valueOf(compose([...fragmentsOf(FILES), valueOf(rc), valueOf(later)]));
  const unit = catalog.byName.get("m");
  expect(unit).toMatchObject({ args: ["x", "y", "z"] });
  expect(catalog.originOf("m", "args", "x")?.label).toBe("9.toml:1:11");
  expect(catalog.originOf("m", "args", "z")?.label).toBe("rc1.ts:1:1");
});

test("an origin that is no place has a name", () => {
  const disable = [{ name: "m", origin: namedOrigin("flag -D m") }];
  const origin = catalogOf(FILES, { disable }).originOf("m", "disabled");
  expect(origin).toMatchObject({ label: "flag -D m", location: undefined });
});

describe("places are found in every way to write TOML", () => {
  test.each([
    [
      "inline tables",
      'modules = [\n  { name = "m" },\n  { name = "n", after = ["m"] },\n]\n',
      "n",
      "after",
      "a.toml:3:25",
    ],
    ["quoted keys", '["m"]\n"ranks" = "0"\n[["modules"]]\nname = "m"\n', "m", "ranks", "a.toml:2:11"],
    ["literal keys", "[['modules']]\nname = 'm'\n['m']\n'ranks' = '0'\n", "m", "ranks", "a.toml:4:11"],
    ["dotted keys", 'm . "ranks" = "0"\n[[modules]]\nname = "m"\n', "m", "ranks", "a.toml:1:15"],
    ["headers with blanks", '[[ modules ]]\nname = "m"\n[ m ]\nranks = "0"\n', "m", "ranks", "a.toml:4:9"],
    [
      "headers in strings",
      '[[modules]]\nname = "m"\ndescription = """\n[[modules]]\nname = "x"\\"""""\nranks = "0"\n',
      "m",
      "ranks",
      "a.toml:6:9",
    ],
    [
      "headers in literal strings",
      "[[modules]]\nname = 'm'\ndescription = '''\n[[modules]]''''\nranks = '0'\n",
      "m",
      "ranks",
      "a.toml:5:9",
    ],
    [
      "headers in comments",
      '[[modules]] # [[modules]] "\nname = "m" # \'\'\'\n# [x]\nranks = "0"\n',
      "m",
      "ranks",
      "a.toml:4:9",
    ],
    [
      "arrays of many lines",
      '[[modules]]\nname = "m"\nargs = [ # [\n  "]",\n]\nranks = "0"\n',
      "m",
      "ranks",
      "a.toml:6:9",
    ],
    ["windows line ends", '[[modules]]\r\nname = "m"\r\nranks = "0"\r\n', "m", "ranks", "a.toml:3:9"],
    ["no line end", '[[modules]]\nname = "m"\nranks = "0"', "m", "ranks", "a.toml:3:9"],
  ])("%s", (_, text, unit, key, expected) => {
    expect(catalogOf({ "a.toml": text }).originOf(unit, key)?.label).toBe(expected);
  });

  test("of a module picked from a library: where it is picked", () => {
    const catalog = catalogOf({ "a.toml": '[[libraries]]\nfile = "./l.js"\nmodules = ["x", "y"]\n' });
    expect(catalog.originOf("y", "module")?.label).toBe("a.toml:3:17");
  });

  test("in a file of thousands of units, without parsing all of it", () => {
    const text = Array.from(
      { length: 5000 },
      (_, i) => `[[modules]]\nname = "m${i}"\nafter = ["m${i - 1}"]\n`,
    );
    const catalog = catalogOf({ "a.toml": text.join("").replace('"m-1"', "") });
    expect(catalog.originOf("m4999", "after", "m4998")?.label).toBe("a.toml:15000:10");
  });
});

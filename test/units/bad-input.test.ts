import { describe, expect, test } from "vitest";
import { renderDiagnostic, type Result } from "../../src/errors/index.js";
import { compose, parseFragment } from "../../src/units/index.js";
import { composeFiles, errorsOf, summaryOf, valueOf } from "./support.js";

/** One file, read and composed. */
function check(text: string, file = "a.toml"): Result<unknown> {
  const fragment = parseFragment(text, { file });
  return fragment.ok ? compose([fragment.value]) : fragment;
}

const UNIT = '[[modules]]\nname = "a"\n';

describe("a bad unit file is reported with code and place", () => {
  test.each([
    ["TOML syntax", "[[modules]]\nname = \n", ["UNIT_SYNTAX a.toml:2:8"]],
    ["a value given twice", 'x.ranks = "0"\nx.ranks = "1"\n', ["UNIT_SYNTAX a.toml:2:1"]],
    ["fault-F3: a table named __proto__", "[__proto__]\nranks = '0'\n", ["UNIT_SYNTAX a.toml:1:1"]],
    ["a key __proto__ written with an escape", `${UNIT}"\\u005f_proto__" = 1\n`, ["UNIT_SYNTAX a.toml:3:1"]],
    ["keys __proto__ in an array", "x = [{}, { __proto__.y = 1 }]\n", ["UNIT_SYNTAX a.toml:1:12"]],
    ["an unknown key", `${UNIT}reqires = ["b"]\n`, ["UNIT_UNKNOWN_KEY a.toml:3:1"]],
    ["an unknown key of an update", `${UNIT}[a]\nfoo.bar = 1\n`, ["UNIT_UNKNOWN_KEY a.toml:4:1"]],
    ["a $schema that is no text", "'$schema' = 1\n", ["UNIT_WRONG_TYPE a.toml:1:13"]],
    ["a key of units at the top", 'ranks = "0"\n', ["UNIT_UNKNOWN_KEY a.toml:1:1"]],
    ["a key of rc files", 'load = ["a"]\n', ["UNIT_UNKNOWN_KEY a.toml:1:1"]],
    ["a key of tasks on a module", `${UNIT}runlevels = ["rc3"]\n`, ["UNIT_UNKNOWN_KEY a.toml:3:1"]],
    [
      "a module that is a program and a file",
      `${UNIT}command = "true"\nmodule = "x"\n`,
      ["UNIT_COMMAND_CONFLICT a.toml:4:10"],
    ],
    [
      "a key of programs without a command",
      `${UNIT}ready = { started = true }\n`,
      ["UNIT_COMMAND_CONFLICT a.toml:3:9"],
    ],
    [
      "a variable with = in its name",
      `${UNIT}command = "x"\nenvironment = { "B=C" = "1" }\n`,
      ["UNIT_INVALID_NAME a.toml:4:17"],
    ],
    [
      "a variable without a name",
      `${UNIT}command = "x"\nenvironment = { "" = "1" }\n`,
      ["UNIT_INVALID_NAME a.toml:4:17"],
    ],
    [
      "a name of a variable and its value",
      `${UNIT}command = "x"\nenvironment = { "B=" = 1 }\n`,
      ["UNIT_INVALID_NAME a.toml:4:17", "UNIT_WRONG_TYPE a.toml:4:24"],
    ],
    [
      "NUL characters, one in a list and one in a table",
      `${UNIT}command = ["x", "a\\u0000b"]\nenvironment = { A = "\\u0000" }\n`,
      ["UNIT_INVALID_VALUE a.toml:3:17", "UNIT_INVALID_VALUE a.toml:4:21"],
    ],
    [
      "two kinds of probe",
      `${UNIT}command = "x"\nready = { notify = true, fd = 3 }\n`,
      ["UNIT_INVALID_VALUE a.toml:4:26"],
    ],
    [
      "no kind of probe",
      `${UNIT}command = "x"\nready = { interval = "1s" }\n`,
      ["UNIT_INVALID_VALUE a.toml:4:1"],
    ],
    [
      "an invalid duration of a probe",
      `${UNIT}command = "x"\nready = { fd = 3, deadline = "1" }\n`,
      ["UNIT_INVALID_VALUE a.toml:4:30"],
    ],
    [
      "an invalid expression",
      `${UNIT}command = "x"\nready = { log = "(" }\n`,
      ["UNIT_INVALID_VALUE a.toml:4:17"],
    ],
    [
      "an address without a port",
      `${UNIT}command = "x"\nready = { tcp = "localhost" }\n`,
      ["UNIT_INVALID_VALUE a.toml:4:17"],
    ],
    [
      "a signal that does not exist",
      `${UNIT}command = "x"\nstop = { signal = "SIGTREM" }\n`,
      ["UNIT_INVALID_VALUE a.toml:4:19"],
    ],
    [
      "an unknown field of a table",
      `${UNIT}command = "x"\nstop = { sginal = "SIGINT" }\n`,
      ["UNIT_UNKNOWN_KEY a.toml:4:10"],
    ],
    [
      "a probe of alive that cannot be asked",
      `${UNIT}command = "x"\nalive = { log = "x" }\n`,
      ["UNIT_INVALID_VALUE a.toml:4:11"],
    ],
    [
      "a limit that is none, and one that is softer than hard",
      `${UNIT}command = "x"\nlimits = { core = "x", as = "2:1" }\n`,
      ["UNIT_INVALID_VALUE a.toml:4:19", "UNIT_INVALID_VALUE a.toml:4:29"],
    ],
    [
      "a signal among the ends that does not exist",
      `${UNIT}command = "x"\nsuccess = [0, "SIGX"]\n`,
      ["UNIT_INVALID_VALUE a.toml:4:15"],
    ],
    [
      "a part of another probe",
      `${UNIT}command = "x"\nready = { fd = 3, body = "ok" }\n`,
      ["UNIT_INVALID_VALUE a.toml:4:19"],
    ],
    ["a key of modules on a task", '[[tasks]]\nname = "t"\nargs = []\n', ["UNIT_UNKNOWN_KEY a.toml:3:1"]],
    [
      "a key of modules in an update of a task",
      '[[tasks]]\nname = "t"\ncommand = "x"\n[t]\nexec = true\n',
      ["UNIT_UNKNOWN_KEY a.toml:5:1"],
    ],
    ["a list edit of what is no list", `${UNIT}[a]\n"ranks+" = "1"\n`, ["UNIT_UNKNOWN_KEY a.toml:4:1"]],
    ["a string for a list", `${UNIT}requires = "kvs"\n`, ["UNIT_WRONG_TYPE a.toml:3:12"]],
    ["a number in a list", `${UNIT}requires = [\n  "b",\n  3,\n]\n`, ["UNIT_WRONG_TYPE a.toml:5:3"]],
    ["a number for ranks", `${UNIT}ranks = 0\n`, ["UNIT_WRONG_TYPE a.toml:3:9"]],
    ["a float for a priority", `${UNIT}priority = 1.5\n`, ["UNIT_WRONG_TYPE a.toml:3:12"]],
    ["an endless priority", `${UNIT}priority = inf\n`, ["UNIT_WRONG_TYPE a.toml:3:12"]],
    ["a priority over 64 bits", `${UNIT}priority = 99999999999999999999\n`, ["UNIT_WRONG_TYPE a.toml:3:12"]],
    ["a bare number for a timeout", `${UNIT}timeout = 30\n`, ["UNIT_WRONG_TYPE a.toml:3:11"]],
    ["a date for a table", "a = 2026-01-01\n", ["UNIT_UNKNOWN_KEY a.toml:1:1"]],
    ["a date for a unit", "modules = [2026-01-01]\n", ["UNIT_WRONG_TYPE a.toml:1:12"]],
    ["a table for the array of modules", '[modules]\nname = "a"\n', ["UNIT_WRONG_TYPE a.toml:1:1"]],
    ["a string for the array of tasks", 'tasks = "t"\n', ["UNIT_WRONG_TYPE a.toml:1:9"]],
    ["a list for alternatives", 'alternatives = ["a"]\n', ["UNIT_WRONG_TYPE a.toml:1:16"]],
    ["a list for an alternative", `${UNIT}[alternatives]\na = ["a"]\n`, ["UNIT_WRONG_TYPE a.toml:4:5"]],
    ["no name", '[[modules]]\nname = "a"\n[[modules]]\nranks = "0"\n', ["UNIT_MISSING_KEY a.toml:3:1"]],
    ["an empty name", '[[modules]]\nname = ""\n', ["UNIT_INVALID_NAME a.toml:2:8"]],
    ["a name with a dot", '[[modules]]\nname = "a.b"\n', ["UNIT_INVALID_NAME a.toml:2:8"]],
    ["a name of 256 bytes", `[[modules]]\nname = "${"x".repeat(256)}"\n`, ["UNIT_INVALID_NAME a.toml:2:8"]],
    ["a name with a line end", '[[modules]]\nname = "a\\n"\n', ["UNIT_INVALID_NAME a.toml:2:8"]],
    ["a unit named __proto__", '[[modules]]\nname = "__proto__"\n', ["UNIT_INVALID_NAME a.toml:2:8"]],
    ["a unit named modules", '[[tasks]]\nname = "modules"\n', ["UNIT_INVALID_NAME a.toml:2:8"]],
    ["an update of a name that is none", '["a b"]\nranks = "0"\n', ["UNIT_INVALID_NAME a.toml:1:1"]],
    ["a service that is no name", `${UNIT}provides = ["x", "no way"]\n`, ["UNIT_INVALID_NAME a.toml:3:18"]],
    ["a wildcard in requires", `${UNIT}requires = ["*"]\n`, ["UNIT_INVALID_NAME a.toml:3:13"]],
    ["ranks =0", `${UNIT}ranks = "=0"\n`, ["UNIT_INVALID_RANKS a.toml:3:9"]],
    ["ranks 3-1", `${UNIT}ranks = "3-1"\n`, ["UNIT_INVALID_RANKS a.toml:3:9"]],
    ["ranks >x", `${UNIT}[a]\nranks = ">x"\n`, ["UNIT_INVALID_RANKS a.toml:4:9"]],
    ["a timeout without a unit", `${UNIT}timeout = "30"\n`, ["UNIT_INVALID_DURATION a.toml:3:11"]],
    ["a memory limit without a unit", `${UNIT}memory-limit = "512"\n`, ["UNIT_INVALID_SIZE a.toml:3:16"]],
    ["a policy that is none", `${UNIT}on-failure = "retry"\n`, ["UNIT_INVALID_VALUE a.toml:3:14"]],
    ["an empty condition", `${UNIT}needs-env = ["A", "!"]\n`, ["UNIT_INVALID_VALUE a.toml:3:19"]],
    ["an empty command", '[[tasks]]\nname = "t"\ncommand = []\n', ["UNIT_INVALID_VALUE a.toml:3:11"]],
    ["an update that renames", `${UNIT}[a]\nname = "b"\n`, ["UNIT_INVALID_VALUE a.toml:4:8"]],
    ["the same module twice", `${UNIT}${UNIT}`, ["UNIT_DUPLICATE_NAME a.toml:4:8"]],
    [
      "the same task twice",
      '[[tasks]]\nname = "t"\n[[tasks]]\nname = "t"\n',
      ["UNIT_DUPLICATE_NAME a.toml:4:8"],
    ],
    ["a module and a task of one name", `${UNIT}[[tasks]]\nname = "a"\n`, ["UNIT_DUPLICATE_NAME a.toml:4:8"]],
    ["an update of nothing known", `${UNIT}[b]\nranks = "0"\n`, ["UNIT_UNKNOWN_UNIT a.toml:3:1"]],
    ["an update of nothing known, dotted", 'feasibility.ranks = "0-1"\n', ["UNIT_UNKNOWN_UNIT a.toml:1:1"]],
    [
      "an edit beside what it edits",
      `${UNIT}[a]\nafter = ["b"]\n"after+" = ["c"]\n`,
      ["UNIT_LIST_EDIT_CONFLICT a.toml:5:1"],
    ],
    [
      "an edit in a first definition",
      `${UNIT}"requires+" = ["b"]\n`,
      ["UNIT_LIST_EDIT_IN_DEFINITION a.toml:3:1"],
    ],
    [
      "a wildcard before, and something after",
      `${UNIT}before = ["*"]\nafter = ["b"]\n`,
      ["UNIT_WILDCARD_CONFLICT a.toml:3:11"],
    ],
    [
      "a wildcard after, and something before",
      `${UNIT}before = ["b"]\nafter = ["c", "*"]\n`,
      ["UNIT_WILDCARD_CONFLICT a.toml:4:15"],
    ],
    [
      "wildcards on both sides",
      `${UNIT}before = ["*"]\nafter = ["*"]\n`,
      ["UNIT_WILDCARD_CONFLICT a.toml:3:11"],
    ],
    [
      "an alternative of no service",
      `${UNIT}[alternatives]\nsched = "a"\n`,
      ["UNIT_UNKNOWN_SERVICE a.toml:4:9"],
    ],
    [
      "an alternative that does not provide",
      `${UNIT}[[modules]]\nname = "b"\n[alternatives]\na = "b"\n`,
      ["UNIT_NOT_A_PROVIDER a.toml:6:5"],
    ],
    ["a library without modules", '[[libraries]]\nfile = "./l.js"\n', ["UNIT_MISSING_KEY a.toml:1:1"]],
    [
      "a library pick that is none",
      '[[libraries]]\nfile = "./l.js"\nmodules = ["a", 3]\n',
      ["UNIT_INVALID_VALUE a.toml:3:17"],
    ],
  ])("%s", (_, text, expected) => {
    expect(summaryOf(check(text))).toEqual(expected);
  });

  test.each([
    ["YAML syntax", "modules: [\n", ["UNIT_SYNTAX a.yaml:2:1"]],
    ["a key twice in a table", "a: {}\nb: {}\na: {}\n", ["UNIT_SYNTAX a.yaml:3:1"]],
    ["two documents", "a: {}\n---\nb: {}\n", ["UNIT_SYNTAX a.yaml:2:1"]],
    ["an unknown anchor", "modules: *all\n", ["UNIT_SYNTAX a.yaml:1:10"]],
    ["an anchor inside itself", "a: &a\n  b: *a\n", ["UNIT_SYNTAX a.yaml:2:6"]],
    ["an unknown tag", "a: !secret b\n", ["UNIT_SYNTAX a.yaml:1:4"]],
    ["a table as a key", "? {a: 1}\n: 2\n", ["UNIT_SYNTAX a.yaml:1:3"]],
    ["a table named __proto__", "__proto__: {}\n", ["UNIT_SYNTAX a.yaml:1:1"]],
    ["text", "hello\n", ["UNIT_WRONG_TYPE a.yaml:1:1"]],
    ["a list", "- a\n", ["UNIT_WRONG_TYPE a.yaml:1:1"]],
    ["a string for a list", "modules:\n  - name: a\n    requires: kvs\n", ["UNIT_WRONG_TYPE a.yaml:3:15"]],
    ["a number for ranks", "modules:\n  - name: a\n    ranks: 0\n", ["UNIT_WRONG_TYPE a.yaml:3:12"]],
    ["nothing for a list", "modules:\n  - name: a\n    after:\n", ["UNIT_WRONG_TYPE a.yaml:3:11"]],
    ["no name", 'modules:\n  - ranks: "0"\n', ["UNIT_MISSING_KEY a.yaml:2:5"]],
    ["an unknown key", "modules:\n  - {name: a, foo: 1}\n", ["UNIT_UNKNOWN_KEY a.yaml:2:15"]],
    [
      "a wrong value behind an alias",
      "modules:\n  - {name: a, after: &x [1]}\n  - {name: b, after: *x}\n",
      ["UNIT_WRONG_TYPE a.yaml:2:26", "UNIT_WRONG_TYPE a.yaml:2:26"],
    ],
    ["an update of nothing known", 'b: {ranks: "0"}\n', ["UNIT_UNKNOWN_UNIT a.yaml:1:1"]],
  ])("in YAML: %s", (_, text, expected) => {
    expect(summaryOf(check(text, "a.yaml"))).toEqual(expected);
  });

  test("in the words that scripts look for", () => {
    const text = (toml: string) => errorsOf(check(toml)).map(({ message }) => message);
    expect(text(`${UNIT}foo = 1\n`)).toEqual(["invalid config key foo"]);
    expect(text("[[modules]]\n")).toEqual(["missing required config key 'name'"]);
    expect(text(`${UNIT}ranks = "3-1"\n`)[0]).toContain("invalid idset");
    expect(text(`${UNIT}before = ["*"]\nafter = ["b"]\n`)).toEqual([
      `a: cannot specify 'before=["*"]' when 'after' is also set`,
    ]);
    expect(text(`${UNIT}before = ["b"]\nafter = ["*"]\n`)).toEqual([
      `a: cannot specify 'after=["*"]' when 'before' is also set`,
    ]);
    expect(text(`${UNIT}[alternatives]\ns = "a"\n`)).toEqual(["no such service s"]);
    expect(text(`${UNIT}[alternatives]\na = "u"\n`)).toEqual(["no module u provides a"]);
  });
});

test("all problems of a file come at once, in the order of their places", () => {
  const text = [
    "[[modules]]",
    'name = "a"',
    "ranks = 0",
    'requires = "kvs"',
    "colour = 1",
    "[[tasks]]",
    'command = "x"',
    "[a]",
    'timeout = "soon"',
  ].join("\n");
  expect(summaryOf(check(text))).toEqual([
    "UNIT_WRONG_TYPE a.toml:3:9",
    "UNIT_WRONG_TYPE a.toml:4:12",
    "UNIT_UNKNOWN_KEY a.toml:5:1",
    "UNIT_MISSING_KEY a.toml:6:1",
    "UNIT_INVALID_DURATION a.toml:9:11",
  ]);
});

test("the line is shown with a caret under the value, and a hint", () => {
  const [wrong] = errorsOf(check(`${UNIT}\tranks = 0 # everywhere\n`));
  expect(wrong && renderDiagnostic(wrong).split("\n")).toEqual([
    expect.stringMatching(/^a\.toml:3:10: .* \[UNIT_WRONG_TYPE\]$/),
    "  \tranks = 0 # everywhere",
    "  \t        ^",
    '  hint: write ranks = "0"',
  ]);
});

test.each([
  ["a.toml", 'motd.after+ = ["kvs"]\n', 'write motd."after+"'],
  ["a.toml", 'motd = { after+ = ["kvs"] }\n', 'write "after+"'],
  ["a.toml", "a.b-c.requires+ = []\n", 'write a.b-c."requires+"'],
  ["a.toml", `${UNIT}module = 1.10\n`, 'write module = "1.10"'],
  ["a.toml", "[[modules]]\nname = 0x10\n", 'write name = "0x10"'],
  ["a.toml", `${UNIT}timeout = 30\n`, 'write timeout = "30s"'],
  ["a.toml", `${UNIT}command = "x"\nready = { after = 2 }\n`, 'write after = "2s"'],
  ["a.toml", `${UNIT}command = "x"\nrestart = { delay = 5 }\n`, 'write delay = "5s"'],
  ["a.toml", `${UNIT}command = "x"\nstop = { signal = 15 }\n`, "write the name of a signal, such as SIGTERM"],
  ["a.yaml", "modules:\n- name: a\n  module: 1.10\n", 'write module: "1.10"'],
  ["a.yaml", "modules:\n- name: 0x10\n", 'write name: "0x10"'],
  ["a.yaml", "modules:\n- name: a\n  after: kvs\n", 'write after: ["kvs"]'],
  ["a.json", '{"modules": [{"name": 12}]}', 'write "name": "12"'],
])("fault-G6: the hint is right, as the file's language writes it: %s %j", (file, text, hint) => {
  expect(errorsOf(check(text, file)).map((error) => error.hint)).toEqual([hint]);
});

test.each([
  [`[[modules]]\nname = "u9\nranks = "0"\n`, "a.toml:2:11"],
  ["[[modules]]\r\nname = 'u9\r\n", "a.toml:2:11"],
  ['[[modules]]\nname = "u9', "a.toml:2:8"],
  [`[[modules]]\nname = """u9\n`, "a.toml:2:8"],
])("fault-G6: a string that is not closed is called so: %j", (text, place) => {
  const result = check(text);
  expect(summaryOf(result)).toEqual([`UNIT_SYNTAX ${place}`]);
  expect(errorsOf(result)[0]?.message).toBe("string is not closed");
});

test("a caret is as wide as the value, in files with CRLF and a byte order mark", () => {
  const [wrong] = errorsOf(check('\uFEFF[[modules]]\r\nname = "é"\r\nranks = "0"\r\n'));
  expect(wrong && renderDiagnostic(wrong).split("\n").slice(1, 3)).toEqual(['  name = "é"', "         ^^^"]);
});

test("a near miss is asked about", () => {
  const hints = (text: string) => errorsOf(check(text)).map(({ hint }) => hint);
  expect(hints(`${UNIT}reqires = []\n`)).toEqual(["did you mean 'requires'?"]);
  expect(hints(`${UNIT}needsConfig = []\n`)).toEqual(["did you mean 'needs-config'?"]);
  expect(hints(`${UNIT}command = "x"\nstop = { wait = "1s" }\n`)).toEqual([
    "write one of signal, timeout, command, to",
  ]);
  expect(hints(`${UNIT}command = ["sleep", 1_00, 0x10]\n`)).toEqual(['write "1_00"', 'write "0x10"']);
  expect(hints(`${UNIT}command = "x"\nrestart = "always"\n`)).toEqual([
    `'restart' has the delays; write on-failure = "restart" to restart after failures`,
  ]);
  expect(hints(`${UNIT}command = "x"\nstop = "SIGINT"\n`)).toEqual([
    "its keys are signal, timeout, command, to",
  ]);
  expect(hints(`${UNIT}command = "x"\nenvironment = "A=1"\n`)).toEqual([undefined]);
  expect(hints('[[module]]\nname = "a"\n')).toEqual(["did you mean 'modules'?"]);
  expect(hints('[[tasks]]\nname = "alternatives"\n')).toEqual(["alternatives is a reserved word"]);
  expect(hints('[[modules]]\nname = "heartbeat"\n[hearbeat]\nranks = "0"\n')).toEqual([
    "did you mean 'heartbeat'?",
  ]);
  expect(hints('[[modules]]\nname = "kvs"\n[alternatives]\nkvss = "kvs"\n')).toEqual(["did you mean 'kvs'?"]);
});

test("the first definition of a duplicate is shown", () => {
  const [duplicate] = errorsOf(composeFiles({ "a.toml": UNIT, "b.toml": '\n[[tasks]]\nname = "a"\n' }));
  expect(duplicate).toMatchObject({
    code: "UNIT_DUPLICATE_NAME",
    location: { file: "b.toml", line: 3, column: 8 },
    related: [{ location: { file: "a.toml", line: 2, column: 8 } }],
  });
});

test("a wildcard conflict is found when its sides are of different files, and both are shown", () => {
  const files = { "a.toml": `${UNIT}before = ["*"]\n`, "b.toml": '[a]\n"after+" = ["b"]\n' };
  expect(errorsOf(composeFiles(files))).toMatchObject([
    {
      code: "UNIT_WILDCARD_CONFLICT",
      location: { file: "a.toml", line: 3, column: 11 },
      related: [{ location: { file: "b.toml", line: 2, column: 12 } }],
    },
  ]);
});

test("a wildcard and an emptied list on the other side are no conflict", () => {
  const files = { "a.toml": `${UNIT}before = ["*"]\nafter = []\n`, "b.toml": '[a]\n"after+" = []\n' };
  expect(composeFiles(files).ok).toBe(true);
});

test("fault-F3: names with other meanings in JavaScript are just names, in TOML and in YAML", () => {
  const names = ["constructor", "toString", "hasOwnProperty", "valueOf", "prototype", "0", "length"];
  const text = names.map((name) => `[[modules]]\nname = "${name}"\nprovides = ["x-${name}"]\n`).join("");
  const updates = names.map((name) => `[${name}]\npriority = 7\n`);
  const catalog = valueOf(compose([valueOf(parseFragment(text + updates.join(""), { file: "a.toml" }))]));
  expect(catalog.units.map(({ name }) => name)).toEqual(names);
  expect(catalog.units.map(({ priority }) => priority)).toEqual(names.map(() => 7));
  const yaml = names.map((name) => `"${name}": { priority: 8 }\n`).join("");
  const both = composeFiles({ "a.toml": text, "b.yaml": yaml });
  expect(valueOf(both).units.map(({ priority }) => priority)).toEqual(names.map(() => 8));
  expect(summaryOf(check(`${UNIT}constructor = 1\n`))).toEqual(["UNIT_UNKNOWN_KEY a.toml:3:1"]);
  expect(catalog.byName.has("isPrototypeOf")).toBe(false);
  expect(catalog.providers.get("__proto__")).toBeUndefined();
});

describe("ten megabytes of garbage end in one short report", () => {
  test.each([
    ["letters", "a.toml", "a".repeat(1e7)],
    ["brackets", "a.toml", "[".repeat(1e7)],
    ["nested arrays", "a.toml", `a = ${"[".repeat(1e7)}`],
    ["quotes", "a.toml", '"'.repeat(1e7)],
    ["zeros", "a.toml", "\0".repeat(1e7)],
    ["letters in YAML", "a.yaml", "a".repeat(1e7)],
    ["brackets in YAML", "a.yaml", "[".repeat(1e7)],
    ["a megabyte of brackets in YAML", "a.yaml", "[".repeat(1e6)],
    ["a megabyte of dashes in YAML", "a.yaml", "- ".repeat(5e5)],
    [
      "a staircase in YAML",
      "a.yaml",
      Array.from({ length: 1000 }, (_, depth) => `${" ".repeat(depth)}a:\n`).join(""),
    ],
  ])("%s", (_, file, text) => {
    const diagnostics = errorsOf(check(text, file));
    expect(diagnostics.map(({ code }) => code)).toEqual(["UNIT_SYNTAX"]);
    expect(diagnostics.map(renderDiagnostic).join("\n").length).toBeLessThan(1000);
  });

  test("closing brackets in YAML, each of them an error", () => {
    const diagnostics = errorsOf(check("]".repeat(1e5), "a.yaml"));
    expect(new Set(diagnostics.map(({ code }) => code))).toEqual(new Set(["UNIT_SYNTAX"]));
    expect(diagnostics.length).toBeLessThanOrEqual(20);
  });

  test("keys that are all unknown", () => {
    const text = Array.from({ length: 100_000 }, (_, index) => `k${index} = 1\n`).join("");
    const diagnostics = errorsOf(check(text));
    expect(new Set(diagnostics.map(({ code }) => code))).toEqual(new Set(["UNIT_UNKNOWN_KEY"]));
    expect(diagnostics.length).toBeLessThanOrEqual(1001);
  });

  test("a kilobyte of YAML that stands for a billion values", () => {
    const lines = Array.from({ length: 9 }, (_, level) => {
      const below = level === 0 ? "lol" : `*l${level - 1}`;
      return `l${level}: &l${level} [${Array.from({ length: 10 }, () => below).join(", ")}]`;
    });
    expect(errorsOf(check(`${lines.join("\n")}\n`, "a.yaml"))[0]).toMatchObject({ code: "UNIT_SYNTAX" });
  });
});

test.each([["9007199254740993"], ["99999999999999999999"]])(
  "an integer that is too large is told as such: %s",
  (value) => {
    const result = check(`${UNIT}priority = ${value}\n`);
    expect(result.ok ? [] : result.diagnostics.map(({ message }) => message)).toEqual([
      "wrong type for config key 'priority': expected an integer, got an integer that is too large",
    ]);
  },
);

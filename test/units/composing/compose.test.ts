import { describe, expect, test } from "vitest";
import { namedOrigin, parseFragment, parseRcFragment, compose } from "../../../src/units/index.js";
import { catalogOf, composeFiles, errorsOf, summaryOf, unitOf, valueOf } from "../support.js";

const FILE = {
  "10.toml": `
[[modules]]
name = "a"
[[modules]]
name = "b"
provides = ["s"]
args = ["x"]
[[modules]]
name = "c"
provides = ["s"]
`,
};

describe("a unit", () => {
  test("has the defaults of the table of keys", () => {
    const catalog = catalogOf({
      "a.toml": '[[modules]]\nname = "m"\n[[tasks]]\nname = "t"\ncommand = "true"\n',
    });
    const common = {
      provides: [],
      priority: 100,
      requires: [],
      needs: [],
      after: [],
      before: [],
      needsConfig: [],
      needsAttrs: [],
      needsEnv: [],
      disabled: false,
      description: "",
    };
    expect(unitOf(catalog, "m")).toMatchObject({
      ...common,
      kind: "module",
      order: 0,
      module: "m",
      args: [],
      exec: false,
      loader: undefined,
      thread: "own",
      memoryLimitBytes: undefined,
      onFailure: "panic",
      timeoutMs: undefined,
    });
    expect(unitOf(catalog, "t")).toMatchObject({ ...common, kind: "task", order: 1, runlevels: ["rc1"] });
    expect(unitOf(catalog, "m").ranks.text).toBe("all");
  });

  test("has what its file sets, the same in TOML and in YAML", () => {
    const toml = `
[[modules]]
name = "m"
provides = ["p"]
priority = -3
requires = ["r"]
needs = ["n"]
after = ["x", "*"]
ranks = "0-3,7"
needs-config = ["a.b", "!c"]
needs-attrs = ["!d"]
needs-env = ["E"]
disabled = true
timeout = "2m"
description = "d"
module = "lib#x"
args = ["1", "1"]
exec = true
loader = "thread"
thread = "g"
memory-limit = "1KiB"
on-failure = "log"
[[tasks]]
name = "t"
command = ["echo", "hi"]
runlevels = ["rc3"]
before = ["*"]
timeout = "infinity"
`;
    const yaml = `
modules:
  - name: m
    provides: [p]
    priority: -3
    requires: [r]
    needs: [n]
    after: [x, "*"]
    ranks: 0-3,7
    needs-config: [a.b, "!c"]
    needs-attrs: ["!d"]
    needs-env: [E]
    disabled: true
    timeout: 2m
    description: d
    module: lib#x
    args: ["1", "1"]
    exec: true
    loader: thread
    thread: g
    memory-limit: 1KiB
    on-failure: log
tasks:
  - name: t
    command: [echo, hi]
    runlevels: [rc3]
    before: ["*"]
    timeout: infinity
`;
    const catalog = catalogOf({ "a.toml": toml });
    expect(unitOf(catalog, "m")).toMatchObject({
      provides: ["p"],
      priority: -3,
      after: ["x", "*"],
      ranks: {
        text: "0-3,7",
        ranges: [
          [0, 3],
          [7, 7],
        ],
      },
      needsConfig: [
        { key: "a.b", negated: false },
        { key: "c", negated: true },
      ],
      needsAttrs: [{ key: "d", negated: true }],
      timeoutMs: 120_000,
      args: ["1", "1"],
      memoryLimitBytes: 1024,
      onFailure: "log",
    });
    expect(unitOf(catalog, "t")).toMatchObject({
      command: ["echo", "hi"],
      runlevels: ["rc3"],
      timeoutMs: Infinity,
    });
    expect(catalogOf({ "a.yaml": yaml }).units).toEqual(catalog.units);
  });

  test("whose module path starts with a dot has it relative to its file", () => {
    const text = (path: string) => `[[modules]]\nname = "m"\nmodule = "${path}"\n`;
    const moduleOf = (path: string) => {
      const unit = unitOf(catalogOf({ "/site/modprobe.d/m.toml": text(path) }), "m");
      return unit.kind === "module" ? unit.module : "";
    };
    expect(moduleOf("./m.mjs")).toBe("/site/modprobe.d/m.mjs");
    expect(moduleOf("../lib/scheds.js#fifo")).toBe("/site/lib/scheds.js#fifo");
    expect(moduleOf("lib/m.mjs")).toBe("lib/m.mjs");
    expect(moduleOf(".hidden")).toBe(".hidden");
    expect(moduleOf("/abs/m.mjs")).toBe("/abs/m.mjs");
  });

  test("whose loader is a path has it relative to its file, and one that is a name as it is", () => {
    const loaderOf = (loader: string) => {
      const text = `[[modules]]\nname = "m"\nloader = "${loader}"\n`;
      const unit = unitOf(catalogOf({ "/site/modprobe.d/m.toml": text }), "m");
      return unit.kind === "module" ? unit.loader : "";
    };
    expect(loaderOf("./run")).toBe("/site/modprobe.d/run");
    expect(loaderOf("../bin/run")).toBe("/site/bin/run");
    expect(loaderOf("process")).toBe("process");
    expect(loaderOf("/abs/run")).toBe("/abs/run");
  });

  test("comes from a library for each module picked from it", () => {
    const text = `
[[libraries]]
file = "./lib/scheds.js"
modules = ["sched-fifo", { name = "sched-backfill", as = "bf", args = ["deep"] }]
[bf]
priority = 7
`;
    const { units } = catalogOf({ "/site/a.toml": text });
    expect(units).toMatchObject([
      { name: "sched-fifo", module: "/site/lib/scheds.js#sched-fifo", args: [] },
      { name: "bf", module: "/site/lib/scheds.js#sched-backfill", args: ["deep"], priority: 7 },
    ]);
  });

  test("that is a task without a command is composed, with a warning", () => {
    const result = composeFiles({ "a.toml": '[[tasks]]\nname = "t"\n' });
    expect(result.ok && result.warnings).toMatchObject([
      { code: "UNIT_MISSING_KEY", severity: "warning", location: { line: 2, column: 8 } },
    ]);
  });
});

describe("load order", () => {
  test("is that of first appearance: modules, tasks, then later files; an update keeps the place", () => {
    const catalog = catalogOf({
      "1.toml": '[[tasks]]\nname = "t"\n[[modules]]\nname = "m"\n[[modules]]\nname = "n"\n',
      "2.toml": '[[modules]]\nname = "o"\n[[modules]]\nname = "m"\npriority = 3\n',
    });
    expect(catalog.units.map(({ name }) => name)).toEqual(["m", "n", "t", "o"]);
    expect(catalog.units.map(({ order }) => order)).toEqual([0, 1, 2, 3]);
  });

  test("is the order of providers, in which every unit provides its own name once", () => {
    const catalog = catalogOf({
      "1.toml": '[[modules]]\nname = "a"\nprovides = ["s", "a", "s"]\n[[modules]]\nname = "s"\n',
    });
    const providers = (service: string) => catalog.providers.get(service)?.map(({ name }) => name);
    expect(providers("s")).toEqual(["a", "s"]);
    expect(providers("a")).toEqual(["a"]);
    expect([...catalog.providers.keys()]).toEqual(["a", "s"]);
  });
});

describe("a later file", () => {
  test("updates the keys that its entry gives, and only those", () => {
    const catalog = catalogOf({ ...FILE, "20.toml": '[[modules]]\nname = "b"\npriority = 3\nargs = []\n' });
    expect(unitOf(catalog, "b")).toMatchObject({ priority: 3, args: [], provides: ["s"] });
  });

  test("updates the conditions, which the reference cannot", () => {
    const text = '[a]\nneeds-config = ["x.y"]\nneeds-attrs = ["!z"]\nneeds-env = ["E"]\n';
    expect(unitOf(catalogOf({ ...FILE, "20.toml": text }), "a")).toMatchObject({
      needsConfig: [{ key: "x.y", negated: false }],
      needsAttrs: [{ key: "z", negated: true }],
      needsEnv: [{ key: "E", negated: false }],
    });
  });

  test("defines a new unit under the name of a service", () => {
    const catalog = catalogOf({ ...FILE, "20.toml": '[[modules]]\nname = "s"\n' });
    expect(catalog.units.map(({ name }) => name)).toEqual(["a", "b", "c", "s"]);
    expect(catalog.providers.get("s")).toHaveLength(3);
  });

  test("may not turn a module into a task", () => {
    expect(summaryOf(composeFiles({ ...FILE, "20.toml": '[[tasks]]\nname = "a"\n' }))).toEqual([
      "UNIT_DUPLICATE_NAME 20.toml:2:8",
    ]);
  });

  test("may edit lists in an entry of the same name", () => {
    const text = '[[modules]]\nname = "b"\n"args+" = ["y"]\n';
    expect(unitOf(catalogOf({ ...FILE, "20.toml": text }), "b")).toMatchObject({ args: ["x", "y"] });
  });
});

describe("an update by service", () => {
  const priorities = (text: string) =>
    catalogOf({ ...FILE, "20.toml": text }).units.map(({ priority }) => priority);

  test("means the unit of that name first", () => {
    expect(priorities('[[modules]]\nname = "s"\n[s]\npriority = 7\n')).toEqual([100, 100, 100, 7]);
  });

  test("means the provider that is last in load order, of those with the highest priority", () => {
    expect(priorities("s.priority = 7\n")).toEqual([100, 100, 7]);
    expect(priorities("b.priority = 101\ns.priority = 7\n")).toEqual([100, 7, 100]);
  });

  test("means none that is disabled, unless all are", () => {
    expect(priorities("c.disabled = true\ns.priority = 7\n")).toEqual([100, 7, 100]);
    expect(priorities("b.disabled = true\nc.disabled = true\ns.priority = 7\n")).toEqual([100, 100, 7]);
  });

  test("never renames the unit", () => {
    const catalog = catalogOf({ ...FILE, "20.toml": '[s]\nname = "s"\npriority = 7\n' });
    expect(catalog.units.map(({ name }) => name)).toEqual(["a", "b", "c"]);
  });

  test("follows what earlier updates made of provides", () => {
    expect(priorities('c.provides = ["q"]\nq.priority = 8\ns.priority = 7\n')).toEqual([100, 7, 8]);
  });

  test("applies after the modules of its own file, wherever it stands", () => {
    const catalog = catalogOf({ "a.toml": 'm.ranks = "0-1"\n[[modules]]\nname = "m"\nranks = "7"\n' });
    expect(unitOf(catalog, "m").ranks.text).toBe("0-1");
  });

  test("applies in file order even where names look like numbers", () => {
    const text = "[b]\npriority = 1\n[7]\npriority = 2\n";
    const define = '[[modules]]\nname = "b"\nprovides = ["7"]\n';
    expect(unitOf(catalogOf({ "a.toml": define, "b.toml": text }), "b").priority).toBe(2);
  });
});

describe("a list edit", () => {
  const listAfter = (...edits: string[]) => {
    const define = '[[modules]]\nname = "m"\nafter = ["a", "b"]\n';
    const files = Object.fromEntries(edits.map((edit, index) => [`${index + 1}.toml`, `[m]\n${edit}\n`]));
    return unitOf(catalogOf({ "0.toml": define, ...files }), "m").after;
  };

  test.each([
    ['"after+" = ["c"]', ["a", "b", "c"]],
    ['"after+" = ["b", "c", "c"]', ["a", "b", "c"]],
    ['"after-" = ["a"]', ["b"]],
    ['"after-" = ["z"]', ["a", "b"]],
    ['"after+" = ["c"]\n"after-" = ["a"]', ["b", "c"]],
    ['after = ["z"]', ["z"]],
    ["after = []", []],
  ])("%s", (edit, expected) => {
    expect(listAfter(edit)).toEqual(expected);
  });

  test("applies to what earlier files left", () => {
    expect(listAfter('after = ["z"]', '"after+" = ["y"]', '"after-" = ["z"]')).toEqual(["y"]);
  });

  test("of provides adds and takes away, while a bare key replaces", () => {
    const provides = (edit: string) =>
      unitOf(catalogOf({ ...FILE, "20.toml": `[b]\n${edit}\n` }), "b").provides;
    expect(provides('"provides+" = ["t"]')).toEqual(["s", "t"]);
    expect(provides('"provides-" = ["s"]')).toEqual([]);
    expect(provides('provides = ["t"]')).toEqual(["t"]);
  });

  test("keeps what an argument list has twice", () => {
    const define = '[[modules]]\nname = "m"\nargs = ["-v", "-v"]\n';
    const unit = unitOf(catalogOf({ "a.toml": `${define}[m]\n"args+" = ["-q"]\n` }), "m");
    expect(unit).toMatchObject({ args: ["-v", "-v", "-q"] });
  });
});

describe("an alternative", () => {
  const chosen = (text: string, ...flags: [string, string][]) =>
    catalogOf(
      { ...FILE, "20.toml": text },
      {
        alternatives: flags.map(([service, unit]) => ({ service, unit, origin: namedOrigin("flag -S") })),
      },
    ).alternatives.map(({ service, unit, origin }) => `${service}=${unit} ${origin.label}`);

  test("of a file is accepted, and changes no priority", () => {
    const catalog = catalogOf({ ...FILE, "20.toml": '[alternatives]\ns = "b"\n' });
    expect(catalog.alternatives).toMatchObject([{ service: "s", unit: "b" }]);
    expect(unitOf(catalog, "b").priority).toBe(100);
  });

  test("is won by the last one set for its service, and stands where that was set", () => {
    expect(chosen('[alternatives]\ns = "b"\na = "a"\n', ["s", "c"])).toEqual([
      "a=a 20.toml:3:5",
      "s=c flag -S",
    ]);
  });

  test("is checked when everything is composed, so that a later file may provide the service", () => {
    const files = {
      "1.toml": '[alternatives]\ns = "z"\n',
      "2.toml": '[[modules]]\nname = "z"\nprovides = ["s"]\n',
    };
    expect(composeFiles(files).ok).toBe(true);
  });

  test("that is wrong is reported by what set it", () => {
    const flag = (service: string, unit: string) => ({ service, unit, origin: namedOrigin("flag -S") });
    expect(errorsOf(composeFiles(FILE, { alternatives: [flag("q", "b")] }))).toMatchObject([
      {
        code: "UNIT_UNKNOWN_SERVICE",
        message: "no such service q",
        related: [{ message: "set by flag -S" }],
      },
    ]);
    expect(errorsOf(composeFiles(FILE, { alternatives: [flag("s", "a")] }))).toMatchObject([
      { code: "UNIT_NOT_A_PROVIDER", message: "no module a provides s" },
    ]);
  });
});

describe("disabling", () => {
  const origin = namedOrigin("environment FLUX_MODPROBE_DISABLE");
  const disabled = (...names: string[]) =>
    catalogOf(FILE, { disable: names.map((name) => ({ name, origin })) })
      .units.filter((unit) => unit.disabled)
      .map(({ name }) => name);

  test("takes the unit of that name, else every provider of the service", () => {
    expect(disabled("a")).toEqual(["a"]);
    expect(disabled("s")).toEqual(["b", "c"]);
    expect(disabled("s", "a", "s")).toEqual(["a", "b", "c"]);
  });

  test("is remembered as what disabled the unit", () => {
    const catalog = catalogOf(FILE, { disable: [{ name: "s", origin }] });
    expect(catalog.originOf("b", "disabled")?.label).toBe("environment FLUX_MODPROBE_DISABLE");
    expect(catalog.originOf("a", "disabled")).toBeUndefined();
  });

  test("wants names that are known", () => {
    expect(errorsOf(composeFiles(FILE, { disable: [{ name: "x", origin }] }))).toMatchObject([
      { code: "UNIT_UNKNOWN_UNIT", message: "no such module or task 'x'", location: undefined },
    ]);
  });
});

describe("an update in a file that is read before the definition", () => {
  const MOTD = '[[modules]]\nname = "motd"\nprovides = ["greeting"]\n[[modules]]\nname = "mot"\n';
  test.each([
    ["d/99-site.toml", "d/motd.toml", "motd", "name this file zz-99-site.toml"],
    ["d/a.toml", "d/zz-motd.toml", "greeting", "name this file zzz-a.toml"],
    ["d/zz-a.toml", "d/zzzmotd.toml", "motd", "name this file zzzz-zz-a.toml"],
    ["a/modprobe.d/z.toml", "b/modprobe.d/a.toml", "motd", "write this line in an even later file"],
  ])("fault-G2: %s is told of %s", (early, late, name, cure) => {
    const [error, ...others] = errorsOf(composeFiles({ [early]: `[${name}]\nranks = "0"\n`, [late]: MOTD }));
    expect(others).toEqual([]);
    expect(error?.message).toBe(`no such module or task '${name}'`);
    expect(error?.hint).toBe(`defined in ${late}, which Sluice reads later; ${cure}`);
    const renamed = /name this file (.*)$/.exec(cure)?.[1];
    if (renamed !== undefined) expect([renamed, late.slice(2)].sort()).toEqual([late.slice(2), renamed]);
  });

  test("fault-G2: does not hide the usual hint of names that no file defines", () => {
    const files = { "d/a.toml": '[[modules]]\nname = "kvs"\n[kvz]\nranks = "0"\n', "d/b.toml": MOTD };
    expect(errorsOf(composeFiles(files))[0]?.hint).toBe("did you mean 'kvs'?");
  });
});

describe("an rc file in TOML", () => {
  const text = `
load = ["a", "s"]
remove = ["b"]
[[tasks]]
name = "t"
command = "true"
`;

  test("says what to load and remove, with places, and its tasks have no run levels", () => {
    const fragment = valueOf(parseRcFragment(text, { file: "rc1.toml" }));
    expect(fragment.load.map(({ name, origin }) => `${name} ${origin.label}`)).toEqual([
      "a rc1.toml:2:9",
      "s rc1.toml:2:14",
    ]);
    expect(fragment.remove.map(({ name }) => name)).toEqual(["b"]);
    const catalog = valueOf(compose([fragment]));
    expect(unitOf(catalog, "t")).toMatchObject({ runlevels: [] });
  });

  test("may update a unit named load", () => {
    const define = valueOf(parseFragment('[[modules]]\nname = "load"\n', { file: "a.toml" }));
    const update = valueOf(parseRcFragment("[load]\npriority = 3\n", { file: "rc1.toml" }));
    expect(unitOf(valueOf(compose([define, update])), "load").priority).toBe(3);
  });

  test("is checked like any other", () => {
    const wrong = parseRcFragment('load = "a"\nremove = ["no way", 3]\n', { file: "rc1.toml" });
    expect(summaryOf(wrong)).toEqual([
      "UNIT_WRONG_TYPE rc1.toml:1:8",
      "UNIT_INVALID_NAME rc1.toml:2:11",
      "UNIT_WRONG_TYPE rc1.toml:2:21",
    ]);
  });
});

/** From what runs to what is written: the pure part (docs/design/programs.md §3). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  applyLines,
  type ApplyPlan,
  applyToJson,
  type ModuleFile,
  planApply,
  type RecordedModule,
  staysLines,
} from "../../../src/graph/index.js";
import { rowsOf } from "../../../src/units/index.js";
import { runs } from "../../helpers/property-runs.js";
import { catalogOfText, planOfCatalog, recordedUnit, recordOf, textOfStack, variations } from "./stacks.js";

interface Comparison {
  readonly only?: readonly string[];
  readonly files?: Readonly<Record<string, ModuleFile>>;
  readonly roots?: readonly string[];
  readonly kept?: readonly string[];
}

function compare(recorded: readonly RecordedModule[], text: string, how: Comparison = {}): ApplyPlan {
  const { only, files = {}, roots, kept } = how;
  const planned = planOfCatalog(catalogOfText(text), roots, kept);
  const result = planApply({ plan: planned, recorded, files: new Map(Object.entries(files)), only });
  if (!result.ok) throw new Error(result.diagnostics.map(({ message }) => message).join("\n"));
  return result.value;
}

function recorded(
  text: string,
  more: Readonly<Record<string, Partial<RecordedModule>>> = {},
): RecordedModule[] {
  return recordOf(planOfCatalog(catalogOfText(text))).map((module) => ({ ...module, ...more[module.name] }));
}

/** Unit → what is done about it. */
function actions({ changes }: ApplyPlan): Record<string, string> {
  return Object.fromEntries(
    changes.map((change) => [change.action === "remove" ? change.name : change.unit.name, change.action]),
  );
}

const program = (name: string, more = ""): string =>
  `[[modules]]\nname = "${name}"\ncommand = ["sleep", "1000"]\n${more}\n`;

const FILE: ModuleFile = { digest: null, loader: "command", member: null, variables: null };

describe("any pair of stacks", () => {
  test("comes to the new plan, touches nothing else, and has nothing to do the next time", () => {
    const kinds = new Map<string, number>();
    fc.assert(
      fc.property(variations(), ([before, after]) => {
        const old = recordOf(planOfCatalog(catalogOfText(textOfStack(before)), before.roots));
        const planned = planOfCatalog(catalogOfText(textOfStack(after)), after.roots);
        const apply = compare(old, textOfStack(after), { roots: after.roots });
        const done = actions(apply);
        const wanted = new Map(recordOf(planned).map((module) => [module.name, module]));
        const known = new Map(old.map((module) => [module.name, module]));
        for (const name of new Set([...wanted.keys(), ...known.keys()])) {
          const [from, to] = [known.get(name), wanted.get(name)];
          const action = done[name];
          if (to === undefined) expect(action).toBe("remove");
          else if (from === undefined) expect(action).toBe("load");
          else if (runText(from) !== runText(to)) expect(action).toBe("reload");
          else if (action === "restart")
            expect(apply.changes).toContainEqual(expect.objectContaining({ action }));
          else if (JSON.stringify(from) !== JSON.stringify(to))
            expect(["change", undefined]).toContain(action);
          else expect(action).toBeUndefined();
          kinds.set(action ?? "stays", (kinds.get(action ?? "stays") ?? 0) + 1);
        }
        expect(apply.stays.filter((name) => done[name] !== undefined)).toEqual([]);
        const again = compare([...wanted.values()], textOfStack(after), { roots: after.roots });
        expect(again.changes).toEqual([]);
      }),
      runs(250),
    );
    // The pairs are worth something: each outcome occurs.
    expect([...kinds.keys()].sort()).toEqual(["change", "load", "reload", "remove", "restart", "stays"]);
  });

  test("restarts what follows a new run once, after what it follows", () => {
    let restarts = 0;
    fc.assert(
      fc.property(variations(), ([before, after]) => {
        const old = recordOf(planOfCatalog(catalogOfText(textOfStack(before)), before.roots));
        const apply = compare(old, textOfStack(after), { roots: after.roots });
        const names = apply.changes.flatMap((change) =>
          change.action === "remove" ? [] : [change.unit.name],
        );
        expect(new Set(names).size).toBe(names.length);
        const services = new Set(old.flatMap((module) => [module.name, ...module.services]));
        const renewed = apply.changes.flatMap((change) =>
          change.action === "remove" || change.action === "change"
            ? []
            : [change.unit.name, ...change.unit.provides].filter((service) => services.has(service)),
        );
        for (const name of apply.stays) {
          const unit = apply.plan.catalog.byName.get(name);
          const followed = unit?.kind === "module" ? unit.follows.filter((service) => service !== name) : [];
          const others = apply.changes.flatMap((change) =>
            change.action === "remove" || change.unit.name === name ? [] : [change.unit.name],
          );
          if (others.length > 0) expect(followed.filter((service) => renewed.includes(service))).toEqual([]);
        }
        restarts += apply.changes.filter(({ action }) => action === "restart").length;
      }),
      runs(250),
    );
    expect(restarts).toBeGreaterThan(4);
  });
});

/** All of a record that a new start is needed for. */
function runText({ args, options }: RecordedModule): string {
  const { command, directory, environment } = options;
  return JSON.stringify([args, command, directory, environment]);
}

describe("what differs", () => {
  test("trap-E8 is in the table of unit keys: reload, in place, or nothing", () => {
    const byChange = (change: string): string[] =>
      rowsOf("module").flatMap((row) => (row.change === change ? [row.key] : []));
    expect(byChange("reload")).toEqual(
      "module args exec loader thread memory-limit command directory environment unset environment-file user group limits".split(
        " ",
      ),
    );
    expect(byChange("in place").sort()).toEqual(
      "alive follows on-exit on-failure output provides ready restart secret stop success timeout watchdog".split(
        " ",
      ),
    );
  });

  test.each([
    ["args", 'args = ["x"]', "reload"],
    ["environment", 'environment = { A = "1" }', "reload"],
    ["unset", 'unset = ["A"]', "reload"],
    ["user", 'user = "games"', "reload"],
    ["limits", "limits = { nofile = 99 }", "reload"],
    ["memory-limit", 'memory-limit = "1GiB"', "reload"],
    ["directory", 'directory = "/"', "reload"],
    ["stop", 'stop = { signal = "SIGINT" }', "change"],
    ["ready", 'ready = { file = "x" }', "change"],
    ["alive", 'alive = { file = "x" }', "change"],
    ["on-failure", 'on-failure = "log"', "change"],
    ["on-exit", 'on-exit = "restart"', "change"],
    ["output", 'output = "discard"', "change"],
    ["restart", "restart = { tries = 2 }", "change"],
    ["watchdog", 'watchdog = "9s"', "change"],
    ["follows", 'follows = ["b"]', "change"],
    ["provides", 'provides = ["s"]', "change"],
    ["timeout", 'timeout = "9s"', "change"],
    ["success", "success = [1]", "change"],
  ])("trap-E8 %s of a program that runs is a %s", (key, line, action) => {
    const apply = compare(recorded(program("a") + program("b")), program("a", line) + program("b"));
    expect(actions(apply)).toEqual({ a: action });
    const [change] = apply.changes;
    expect(change?.causes).toMatchObject([{ kind: "keys", keys: [{ key }] }]);
  });

  test.each([
    ['description = "x"'],
    ["priority = 1"],
    ['after = ["b"]'],
    ['requires = ["b"]'],
    ['needs = ["b"]'],
    ['ranks = "0"'],
    ["optional = true"],
  ])("trap-E8 %s alone changes nothing that runs", (line) => {
    const apply = compare(recorded(program("a") + program("b")), program("a", line) + program("b"));
    expect(apply.changes).toEqual([]);
    expect(staysLines(apply)).toEqual(["2 modules stay as they are"]);
  });

  test.each([
    ['stop = { signal = "SIGTERM", timeout = "10s" }'],
    ['restart = { delay = "1s", longest = "60s", tries = 5, within = "10m", then = "panic" }'],
    ["ready = { started = true }"],
    ['on-failure = "panic"\non-exit = "log"\noutput = "log"\nargs = []\nenvironment = {}'],
    ['thread = "own"'],
  ])("trap-E7 a default that is written out is no difference: %s", (lines) => {
    const text = lines.startsWith("thread") ? '[[modules]]\nname = "m"\nmodule = "./m.mjs"\n' : program("a");
    expect(compare(recorded(text), text + lines).changes).toEqual([]);
    expect(compare(recorded(text + lines), text).changes).toEqual([]);
  });

  test("trap-E7 alive with its defaults written out is the same probe", () => {
    const short = program("a", 'alive = { file = "x" }');
    const long = program("a", 'alive = { file = "x", interval = "1s", timeout = "2s", failures = 3 }');
    expect(compare(recorded(short), long).changes).toEqual([]);
  });

  test("is the digest of a file, not its path; the loader that takes it; the variables of files", () => {
    const text = '[[modules]]\nname = "m"\nmodule = "./m.mjs"\n' + program("p");
    const file: ModuleFile = { digest: "sha256-1c9a00", loader: "thread", member: null, variables: null };
    const old = recorded(text, { m: { file }, p: { file: { ...FILE, variables: "sha256-1" } } });
    const p = { ...FILE, variables: "sha256-1" };
    const moved = text.replace("./m.mjs", "/elsewhere/m.mjs");
    expect(compare(old, moved, { files: { m: file, p } }).changes).toEqual([]);
    const now = { m: { ...file, digest: "sha256-77f011" }, p: { ...FILE, variables: "sha256-2" } };
    const apply = compare(old, text, { files: now });
    expect(applyLines(apply)).toEqual([
      "~ reload   m  its file has changed                sha256 1c9a… → 77f0…",
      "~ reload   p  its environment files have changed",
    ]);
    const other = compare(old, text, { files: { m: { ...file, loader: "process" }, p } });
    expect(actions(other)).toEqual({ m: "reload" });
    // What cannot be read says nothing.
    expect(compare(old, text, { files: { m: { ...file, digest: null }, p } }).changes).toEqual([]);
  });
});

describe("what is loaded", () => {
  test("by name stays with what it requires; what no unit describes is left alone and listed", () => {
    const old = recorded(program("a") + program("b", 'requires = ["c"]\n') + program("c") + program("d"), {
      b: { byName: true },
    });
    const stranger = { ...recordedUnit(catalogUnit("x")), isPlanned: false, byName: true };
    const text = program("a") + program("b", 'requires = ["c"]') + program("c") + program("d");
    const apply = compare([...old, stranger], text, { roots: ["a"], kept: ["b"] });
    expect(actions(apply)).toEqual({ d: "remove" });
    expect(apply.unknown).toEqual(["x"]);
    expect(staysLines(apply)).toEqual(["3 modules stay as they are", "unchanged, without a unit: x"]);
  });

  test("by a plan goes when no file defines it any more, and when another provider was picked", () => {
    const old = recorded(program("a") + program("f", 'provides = ["s"]\npriority = 50') + program("gone"));
    const text =
      program("a", 'requires = ["s"]') +
      program("f", 'provides = ["s"]\npriority = 50') +
      program("q", 'provides = ["s"]');
    const apply = compare(old, text, { roots: ["a"] });
    expect(applyLines(apply)).toEqual([
      "+ load     q     new                             /site/units.toml:11:8",
      "- remove   f     q was picked for s by priority",
      "- remove   gone  no file defines the unit now",
      "f and q have the same command: f ends before q starts",
      "gone and q have the same command: gone ends before q starts",
    ]);
  });

  test("trap-E10 and has failed counts as changed; trap-E11 and has ended in order counts as loaded", () => {
    const text = program("a") + program("b") + program("c");
    const states = { a: { state: "failed" }, b: { state: "ended" }, c: { state: "waits" } } as const;
    expect(actions(compare(recorded(text, states), text))).toEqual({ a: "load", c: "load" });
    const changed = text.replaceAll("1000", "1001");
    expect(actions(compare(recorded(text, states), changed))).toEqual({ a: "load", b: "load", c: "load" });
    // What has ended and is not wanted is gone already.
    expect(actions(compare(recorded(text, states), program("a")))).toEqual({ a: "load", c: "remove" });
  });

  test("trap-E14 is touched only if it is named, or follows what is", () => {
    const stack = program("a") + program("b", 'follows = ["a"]') + program("c");
    const changed = stack.replaceAll("1000", "1001").replace('"1001"]\nfollows', '"1000"]\nfollows');
    expect(actions(compare(recorded(stack), changed, { only: ["a"] }))).toEqual({
      a: "reload",
      b: "restart",
    });
    expect(actions(compare(recorded(stack), changed, { only: ["c"] }))).toEqual({ c: "reload" });
    const plan = planOfCatalog(catalogOfText(stack));
    const result = planApply({ plan, recorded: [], files: new Map(), only: ["cc", "a"] });
    expect(result).toMatchObject({
      ok: false,
      diagnostics: [{ code: "GRAPH_UNKNOWN_NAME", message: "no such module or service cc" }],
    });
  });

  test("trap-E15 and renamed is removed and loaded, and one line says what both have", () => {
    const apply = compare(recorded(program("old")), program("new"));
    expect(actions(apply)).toEqual({ new: "load", old: "remove" });
    expect(apply.renamings).toEqual([{ from: "old", to: "new", same: "command" }]);
    expect(applyToJson(apply)).toMatchObject({
      changes: [
        { action: "load", unit: "new", causes: [{ kind: "new", origin: "/site/units.toml:2:8" }] },
        { action: "remove", unit: "old", causes: [{ kind: "left-out", reason: null }] },
      ],
      renamings: [{ from: "old", to: "new", same: "command" }],
    });
  });
});

function catalogUnit(name: string) {
  const unit = catalogOfText(program(name)).byName.get(name);
  if (unit?.kind !== "module") throw new Error(name);
  return unit;
}

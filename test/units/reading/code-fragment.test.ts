import { describe, expect, test } from "vitest";
import {
  codeFragment,
  type CodeTask,
  compose,
  compositionWarnings,
  parseFragment,
  type SetupEdit,
} from "../../../src/units/index.js";
import { errorsOf, summaryOf, unitOf, valueOf } from "../support.js";

const task = (name: string, keys: Readonly<Record<string, unknown>> = {}): CodeTask => ({
  name,
  keys,
  line: 3,
  column: 1,
});
const fragment = (tasks: readonly CodeTask[], edits: readonly SetupEdit[] = []) =>
  codeFragment({ file: "rc1.ts", tasks, edits });
const UNITS =
  '[[modules]]\nname = "m"\nprovides = ["s"]\nargs = ["x"]\n[[modules]]\nname = "n"\nprovides = ["s"]\n';
const units = () => valueOf(parseFragment(UNITS, { file: "a.toml" }));

describe("a task with code", () => {
  test("is composed like any other, without command or run levels", () => {
    const catalog = valueOf(
      compose([units(), valueOf(fragment([task("t", { after: ["m"], "needs-attrs": ["!x"] })]))]),
    );
    expect(unitOf(catalog, "t")).toMatchObject({
      kind: "task",
      after: ["m"],
      needsAttrs: [{ key: "x", negated: true }],
      command: undefined,
      runlevels: [],
      order: 2,
    });
    expect(catalog.originOf("t", "after")?.label).toBe("rc1.ts:3:1");
  });

  test("has its mistakes reported in the words of its callers", () => {
    const messages = (...tasks: CodeTask[]) => errorsOf(fragment(tasks)).map(({ message }) => message);
    expect(messages(task("t", { afer: [] }))).toEqual(["t: unknown task argument afer"]);
    expect(messages(task("t", { command: "x" }))).toEqual(["t: unknown task argument command"]);
    expect(messages(task(""))).toEqual(["task missing required name argument"]);
  });

  test("has its values checked like those of files", () => {
    const wrong = fragment([
      task("t", { after: "m", ranks: "3-1" }),
      task("a.b"),
      task("u", { timeout: "soon" }),
    ]);
    expect(summaryOf(wrong).sort()).toEqual([
      "UNIT_INVALID_DURATION rc1.ts:3:1",
      "UNIT_INVALID_NAME rc1.ts:3:1",
      "UNIT_WRONG_TYPE rc1.ts:3:1",
    ]);
  });

  test("may not have the name of another unit, in its file or elsewhere", () => {
    expect(summaryOf(compose([valueOf(fragment([task("t"), task("t")]))]))).toEqual([
      "UNIT_DUPLICATE_NAME rc1.ts:3:1",
    ]);
    expect(summaryOf(compose([units(), valueOf(fragment([task("m")]))]))).toEqual([
      "UNIT_DUPLICATE_NAME rc1.ts:3:1",
    ]);
    const declarative = valueOf(
      parseFragment('[[tasks]]\nname = "t"\ncommand = "true"\n', { file: "a.toml" }),
    );
    expect(compose([declarative, valueOf(fragment([task("t")]))]).ok).toBe(false);
  });
});

describe("setup()", () => {
  const argsAfter = (...edits: SetupEdit[]) =>
    valueOf(compose([units(), valueOf(fragment([], edits))])).units.map((unit) =>
      unit.kind === "module" ? unit.args : [],
    );
  const setopt = (module: string, options: string[], overwrite = false): SetupEdit => ({
    kind: "setopt",
    module,
    options,
    overwrite,
  });

  test("appends options to the arguments of a module, split on white space, even twice", () => {
    expect(argsAfter(setopt("m", ["x  y\tz"]), setopt("m", ["x"]))).toEqual([["x", "x", "y", "z", "x"], []]);
  });

  test("replaces them, if it says so", () => {
    expect(argsAfter(setopt("m", ["y"], true))).toEqual([["y"], []]);
    expect(argsAfter(setopt("m", [""], true))).toEqual([[], []]);
  });

  test("reaches whichever provider a service will have", () => {
    expect(argsAfter(setopt("s", ["y"]))).toEqual([["x", "y"], ["y"]]);
  });

  test("must not name a task", () => {
    const composed = compose([units(), valueOf(fragment([task("t")], [setopt("t", ["x"])]))]);
    expect(errorsOf(composed).map(({ code }) => code)).toEqual(["UNIT_UNKNOWN_KEY"]);
  });

  test("fault-F5: has no effect on what is unknown, and a warning says so", () => {
    const edits = [setopt("nn", ["x"]), setopt("m", ["x"]), setopt("other", ["x"], true)];
    const catalog = valueOf(compose([units(), valueOf(fragment([], edits))]));
    expect(catalog.units.map(({ name }) => name)).toEqual(["m", "n"]);
    expect(
      compositionWarnings(catalog).map(({ code, severity, location, hint }) => [
        code,
        severity,
        location?.file,
        hint,
      ]),
    ).toEqual([
      ["UNIT_UNKNOWN_UNIT", "warning", "rc1.ts", "did you mean 'n'?"],
      ["UNIT_UNKNOWN_UNIT", "warning", "rc1.ts", undefined],
    ]);
  });

  test("sets alternatives over those of files", () => {
    const file = valueOf(parseFragment('[alternatives]\ns = "m"\n', { file: "b.toml" }));
    const rc = valueOf(fragment([], [{ kind: "alternative", service: "s", unit: "n" }]));
    const catalog = valueOf(compose([units(), file, rc]));
    expect(catalog.alternatives).toMatchObject([
      { service: "s", unit: "n", origin: { label: "rc1.ts:1:1" } },
    ]);
  });
});

/** `@GROUP` in place of names of units (docs/design/planning.md §6). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  accountFor,
  dryRunLines,
  phaseRequest,
  pictureOf,
  plan,
  type PlanRequest,
  unreachedWarnings,
} from "../../src/graph/index.js";
import { planApply } from "../../src/graph/apply/plan-apply.js";
import { namedOrigin, withGroups } from "../../src/units/index.js";
import { catalogOf, place, type UnitLiteral } from "../helpers/catalog.js";
import { cases, FACTS } from "./arbitrary.js";
import { request, running, RUNS } from "./requests.js";
import { errorsOf, valueOf } from "./results.js";

const UNITS: readonly UnitLiteral[] = [
  { name: "db" },
  { name: "api", requires: ["db"], after: ["db"], groups: ["web"] },
  { name: "ui", after: ["api"], groups: ["web", "front"] },
  { name: "jobs", groups: ["batch"] },
  { name: "warm", kind: "task", groups: ["web"] },
  { name: "bye", kind: "task", runlevels: ["rc3"], groups: ["web"] },
  { name: "sweep", kind: "task", runlevels: ["rc3"], groups: ["batch"] },
];

const lines = (asked: PlanRequest, units = UNITS, loaded = running()): string[] =>
  dryRunLines(valueOf(request(units, asked, { loaded })));

const messages = (asked: PlanRequest, units = UNITS, loaded = running()): unknown[] =>
  errorsOf(request(units, asked, { loaded })).map(({ code, message, hint }) => [code, message, hint]);

describe("a start", () => {
  test("has the modules of the group, its tasks of rc1, and what they require", () => {
    expect(lines({ kind: "start", roots: ["@web"] })).toEqual(["load db", "load api", "load ui", "run warm"]);
  });

  test("has the units of several groups, and of plain names", () => {
    expect(lines({ kind: "start", roots: ["@front", "db", "@batch"] })).toEqual([
      "load db",
      "load ui",
      "load jobs",
    ]);
  });

  test("leaves out what is not usable", () => {
    const units = [
      { name: "a", disabled: true, groups: ["g"] },
      { name: "b", ranks: "7", groups: ["g"] },
    ];
    expect(lines({ kind: "start", roots: ["@g"] }, units)).toEqual([]);
  });

  test("refuses unknown groups, with those that there are and the one that was meant", () => {
    expect(messages({ kind: "start", roots: ["@wep", "@zzz", "wep"] })).toEqual([
      ["GRAPH_UNKNOWN_NAME", "no such group wep; known groups: batch, front, web", "did you mean 'web'?"],
      ["GRAPH_UNKNOWN_NAME", "no such group zzz; known groups: batch, front, web", undefined],
      ["GRAPH_UNKNOWN_NAME", "no such task or module wep", undefined],
    ]);
    expect(messages({ kind: "start", roots: ["@web"] }, [{ name: "a" }])).toEqual([
      ["GRAPH_UNKNOWN_NAME", "no such group web; no unit has a group", undefined],
    ]);
  });

  test("names the place that asked for an unknown group", () => {
    const catalog = catalogOf(UNITS);
    const origins = new Map([["@wep", place("rc1.toml", 1, 9)]]);
    const [error] = errorsOf(plan(catalog, { roots: ["@wep"], facts: FACTS, origins }));
    expect(error?.location).toMatchObject({ file: "rc1.toml", line: 1, column: 9 });
  });

  test("explains a unit by the group that asked for it", () => {
    const origins = new Map([["@web", namedOrigin("flag --group web")]]);
    const made = valueOf(plan(catalogOf(UNITS), { roots: ["@web"], facts: FACTS, origins }));
    const rootOf = (name: string) =>
      accountFor({ plan: made, enabled: [], origins }, name)?.causes[0]?.statements[0];
    expect(rootOf("ui")).toMatchObject({ text: 'load = "@web"', origin: { label: "flag --group web" } });
    expect(rootOf("warm")).toMatchObject({ text: 'load = "@web"' });
  });

  test("limits the tasks of a run level to the groups", () => {
    const contents = { tasks: [], load: [], remove: [] };
    const roots = (groups: readonly string[]) =>
      valueOf(phaseRequest(catalogOf(UNITS), { ...contents, groups }, "rc3"));
    expect(roots(["batch"])).toMatchObject({ roots: ["sweep"] });
    expect(roots([])).toMatchObject({ roots: ["bye", "sweep"] });
  });

  test("is that of the names of the units", () => {
    fc.assert(
      fc.property(
        cases({ withOrder: true }),
        fc.array(fc.subarray(["x", "y"])),
        ({ units, alternatives }, groups) => {
          const grouped = units.map((unit, i) => ({ ...unit, groups: groups[i] ?? [] }));
          const catalog = catalogOf(grouped, alternatives);
          fc.pre(catalog.units.some((unit) => unit.groups.includes("x")));
          const isStarted = (name: string): boolean => {
            const unit = catalog.byName.get(name);
            return unit?.kind === "module" || unit?.runlevels.includes("rc1") === true;
          };
          const named = withGroups(catalog, ["@x"]).filter(isStarted);
          const outcome = (roots: readonly string[]): unknown => {
            const made = plan(catalog, { roots, facts: FACTS });
            return made.ok
              ? [dryRunLines(made.value), [...made.value.leftOut]]
              : made.diagnostics.map(({ message }) => message);
          };
          expect(outcome(["@x"])).toEqual(outcome(named));
        },
      ),
      RUNS,
    );
  });
});

describe("a load", () => {
  test("has the modules of the group, as explicit ones, and no task", () => {
    const made = valueOf(request(UNITS, { kind: "load", modules: ["@web", "jobs"] }));
    expect(made.steps.map((step) => [step.unit.name, step.action === "load" && step.explicit])).toEqual([
      ["db", false],
      ["api", true],
      ["ui", true],
      ["jobs", true],
    ]);
  });

  test("leaves out what is not usable, with a warning unless it is for other ranks", () => {
    const units = [
      { name: "off", disabled: true, groups: ["g"] },
      { name: "unset", needsAttrs: ["x"], groups: ["g"] },
      { name: "other", ranks: "1", groups: ["g"] },
      { name: "nowhere", ranks: "9", groups: ["g"] },
      { name: "here", groups: ["g"] },
    ];
    const result = request(units, { kind: "load", modules: ["@g"] }, { size: 2 });
    expect(dryRunLines(valueOf(result))).toEqual(["load here"]);
    expect(result.ok && result.warnings.map(({ code, message }) => [code, message])).toEqual([
      ["GRAPH_NEEDS_UNMET", expect.stringMatching(/^off of group g stays out: disabled/)],
      ["GRAPH_NEEDS_UNMET", "unset of group g stays out: needs-attrs x: not set"],
      ["GRAPH_NEEDS_UNMET", "nowhere of group g stays out: rank 0 is not in ranks 9"],
    ]);
    const named = request(units, { kind: "load", modules: ["@g", "off"] }, { size: 2 });
    expect(dryRunLines(valueOf(named))).toEqual(["load off", "load here"]);
  });

  test("refuses an unknown group, and one that has tasks only", () => {
    const units: UnitLiteral[] = [{ name: "t", kind: "task", groups: ["g"] }];
    expect(messages({ kind: "load", modules: ["@g", "@h"] }, units)).toEqual([
      [
        "GRAPH_UNKNOWN_NAME",
        "group g has tasks only, and no module to load",
        "tasks run in rc1, rc3 or by `run`",
      ],
      ["GRAPH_UNKNOWN_NAME", "no such group h; known groups: g", undefined],
    ]);
  });
});

describe("a removal", () => {
  test("takes what runs of the group, in reverse order, with what nothing uses any more", () => {
    const loaded = running("db", "api!", "ui!", "jobs!");
    const asked = { kind: "remove", modules: ["@web"], recursive: false } as const;
    expect(lines(asked, UNITS, loaded)).toEqual(["remove ui", "remove api", "remove db"]);
    expect(lines(asked, UNITS, running("ui!", "jobs!"))).toEqual(["remove ui"]);
    const more = { ...asked, modules: ["@front", "jobs"] };
    expect(lines(more, UNITS, running("db!", "api!", "ui!", "jobs!"))).toEqual(["remove ui", "remove jobs"]);
  });

  test("is refused if nothing of the group runs, if there is no such group, and if something uses it", () => {
    const asked = (modules: readonly string[]) => ({ kind: "remove", modules, recursive: false }) as const;
    expect(messages(asked(["@batch", "@bach"]), UNITS, running("db!"))).toEqual([
      ["GRAPH_NOT_LOADED", "no module of group batch is loaded", undefined],
      ["GRAPH_UNKNOWN_NAME", "no such group bach; known groups: batch, front, web", "did you mean 'batch'?"],
    ]);
    const units = [
      { name: "a", groups: ["g"] },
      { name: "b", requires: ["a"] },
    ];
    expect(messages(asked(["@g"]), units, running("a", "b!"))).toMatchObject([
      ["GRAPH_IN_USE", "a still in use by b", expect.any(String)],
    ]);
  });

  test("by an rc file passes over what is gone, and warns of an unknown group", () => {
    const asked = { kind: "stop", roots: [], remove: ["@web", "@nope"] } as const;
    const result = request(UNITS, asked, { loaded: running("ui", "jobs") });
    expect(dryRunLines(valueOf(result))).toEqual(["remove ui"]);
    expect(result.ok && result.warnings.map(({ message }) => message)).toEqual([
      "no such group nope; known groups: batch, front, web",
    ]);
  });
});

test("a picture of a group has its units and their neighbours", () => {
  const made = valueOf(request(UNITS, { kind: "start", roots: ["@web"] }));
  expect(pictureOf(made, "@web")?.nodes.map(({ name }) => name)).toEqual(["db", "api", "ui", "warm", "bye"]);
  expect(pictureOf(made, "@wep")).toBeUndefined();
});

test("an apply of a group concerns its modules", () => {
  const made = valueOf(request(UNITS, { kind: "start", roots: ["@web", "@batch"] }));
  const apply = (only: readonly string[]) => planApply({ plan: made, recorded: [], files: new Map(), only });
  expect(valueOf(apply(["@batch"])).changes).toMatchObject([{ action: "load", unit: { name: "jobs" } }]);
  expect(errorsOf(apply(["@bach"]))).toMatchObject([
    { message: "no such group bach; known groups: batch, front, web", hint: "did you mean 'batch'?" },
  ]);
});

test("a unit of a group is reached, as the group may be asked for", () => {
  const units = [{ name: "a", groups: ["g"], requires: ["b"] }, { name: "b" }, { name: "c" }];
  expect(unreachedWarnings(catalogOf(units), []).map(({ message }) => message.split(" ")[0])).toEqual(["c"]);
});

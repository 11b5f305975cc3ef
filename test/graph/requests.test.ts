import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dryRunLines, plan, type PlanInput, type PlanRequest, showDeps } from "../../src/graph/index.js";
import { catalogOf } from "../helpers/catalog.js";
import { runs } from "../helpers/property-runs.js";
import { cases, FACTS } from "./arbitrary.js";
import { request, running } from "./requests.js";
import { errorsOf, valueOf } from "./results.js";

describe("a start beside what runs", () => {
  test("gives a running module no step and no reason, and lets it serve", () => {
    const units = [
      { name: "p", provides: ["s"] },
      { name: "q", provides: ["s"], priority: 900 },
      { name: "a", requires: ["s", "idle"], needs: ["p"] },
      { name: "idle" },
    ];
    const result = request(units, { kind: "start", roots: ["a", "p"] }, { loaded: running("p") });
    const made = valueOf(result);
    expect(dryRunLines(made)).toEqual(["load a", "load idle"]);
    expect([...made.leftOut]).toEqual([
      ["q", { kind: "other-provider", service: "s", picked: "p", by: "loaded" }],
    ]);
    expect(made.explain("p")).toEqual({ kind: "loaded", unit: "p" });
  });
});

describe("force-enabling", () => {
  const units = [
    { name: "a", disabled: true, ranks: "7", needsAttrs: ["unset"], requires: ["b"] },
    { name: "b", disabled: true },
    { name: "c", provides: ["s"], disabled: true },
    { name: "d", provides: ["s"], disabled: true, needs: ["b"] },
  ];
  const startWith = (enabled: readonly string[]) =>
    valueOf(plan(catalogOf(units), { roots: ["a", "c", "d"], facts: FACTS, enabled }));

  test("sets aside disabled, ranks and conditions of that unit, not of its dependencies", () => {
    const made = startWith(["a"]);
    expect(dryRunLines(made)).toEqual(["load a"]);
    expect(made.leftOut.get("b")).toMatchObject({ kind: "disabled" });
  });

  test("of a service enables all its providers, but not what lacks a need", () => {
    const made = startWith(["s"]);
    expect(dryRunLines(made)).toEqual(["load c"]);
    expect(made.leftOut.get("d")).toMatchObject({ kind: "need", need: "b" });
  });

  test("of an unknown name is an error", () => {
    const result = plan(catalogOf(units), { roots: ["a"], facts: FACTS, enabled: ["ghost"] });
    expect(errorsOf(result).map(({ message }) => message)).toEqual(["no such task or module ghost"]);
  });
});

describe("any request", () => {
  test("never throws", () => {
    const requests = cases({ withOrder: true, withUnknown: true }).chain((given) =>
      fc
        .constantFrom<PlanRequest>(
          { kind: "start", roots: given.roots },
          { kind: "stop", roots: given.roots, remove: given.enabled },
          { kind: "stop", roots: given.roots, remove: "all" },
          { kind: "load", modules: given.roots },
          { kind: "remove", modules: given.roots, recursive: true },
          { kind: "remove", modules: "all", recursive: false },
        )
        .chain((asked) =>
          fc
            .array(
              fc.record({ name: fc.constantFrom("u0", "u1", "u2", "u3", "x"), explicit: fc.boolean() }),
              { maxLength: 4 },
            )
            .map((modules) => ({ given, asked, modules })),
        ),
    );
    fc.assert(
      fc.property(requests, ({ given, asked, modules }) => {
        const loaded = [...new Map(modules.map((module) => [module.name, module])).values()].map(
          (module) => ({
            ...module,
            services: ["s"],
          }),
        );
        const input: PlanInput = { request: asked, facts: FACTS, enabled: given.enabled, loaded };
        const catalog = catalogOf(given.units, given.alternatives);
        const result = plan(catalog, input);
        if (!result.ok) {
          expect(result.diagnostics.length).toBeGreaterThan(0);
          return;
        }
        for (const { name } of catalog.units) expect(result.value.explain(name)).toBeDefined();
        expect(result.value.leftOut.size).toBeLessThanOrEqual(catalog.units.length);
        expect(Object.keys(showDeps(result.value)).length).toBe(result.value.steps.length);
      }),
      runs(700),
    );
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { syntheticRoots, syntheticToml } from "../../bench/plan-synthetic.mjs";
// The thread runs from a file, so this is what was built.
import { composeUnits, isErrno, plan, planInWorker, type Plan, type PlanInput } from "../../dist/index.js";
import { Stack } from "./support/stack.js";
import { catalogOf } from "../helpers/catalog.js";
import { cases, FACTS } from "../graph/arbitrary.js";
import { running } from "../graph/requests.js";

type Catalog = Parameters<typeof planInWorker>[0];

/** Everything that a plan tells. */
function told(made: Plan, names: readonly string[]) {
  return {
    ...{
      steps: made.steps,
      dag: made.dag,
      warnings: made.warnings,
      request: made.request,
      facts: made.facts,
    },
    leftOut: [...made.leftOut],
    picks: [...made.picks],
    explanations: [...names, "nothing of the kind"].map((name) => made.explain(name)),
    edges: made.graph().edges(),
  };
}

async function expectSame(catalog: Catalog, input: PlanInput): Promise<void> {
  const [here, there] = [plan(catalog, input), await planInWorker(catalog, input)];
  if (!here.ok || !there.ok) {
    expect(there).toEqual(here);
    return;
  }
  const names = [...catalog.providers.keys(), ...(input.loaded ?? []).map(({ name }) => name)];
  expect(there.warnings).toEqual(here.warnings);
  expect(told(there.value, names)).toEqual(told(here.value, names));
  expect(there.value.catalog).toBe(catalog);
  // Its units are those of the catalog, and no copies.
  for (const { unit } of there.value.steps) {
    if (catalog.byName.get(unit.name)?.kind === unit.kind) expect(catalog.units).toContain(unit);
  }
}

describe("planInWorker", () => {
  test("gives the plan that plan() gives, whatever is asked of it", async () => {
    const inputs = cases({ withOrder: true, withUnknown: true }).chain(({ units, roots, ...given }) =>
      fc
        .constantFrom<PlanInput["request"]>(
          { kind: "start", roots },
          { kind: "stop", roots, remove: "all" },
          { kind: "stop", roots, remove: [...roots, "stranger"] },
          { kind: "load", modules: roots },
          { kind: "remove", modules: "all", recursive: true },
        )
        .map((request) => ({ units, alternatives: given.alternatives, enabled: given.enabled, request })),
    );
    await fc.assert(
      fc.asyncProperty(inputs, fc.boolean(), async ({ units, alternatives, enabled, request }, isBusy) => {
        if (request === undefined) return;
        const catalog = catalogOf(units, alternatives);
        const loaded = isBusy ? running("u0!", "u1", "stranger") : [];
        await expectSame(catalog, { request, enabled, loaded, facts: FACTS });
      }),
      { numRuns: 12 },
    );
  });

  test("gives the problems with their places in the files, and what asked for a root", async () => {
    const stack = new Stack(`
      modules = [{name = "a", requires = ["b"], after = ["b"]}, {name = "b", after = ["a"]}]
    `);
    const units = await composeUnits({ searchPath: [`${stack.dir}/modprobe`], env: stack.env });
    if (!units.ok) throw new Error("the units are not sound");
    const origin = { label: "the test", location: undefined };
    const input = {
      roots: ["a", "ghost"],
      facts: { rank: 0, size: 1, env: process.env },
      origins: new Map([["ghost", origin]]),
    };
    const [here, there] = [plan(units.value, input), await planInWorker(units.value, input)];
    expect(there).toEqual(here);
    expect(there).toMatchObject({
      ok: false,
      diagnostics: [
        { code: "GRAPH_UNKNOWN_NAME", related: [{ message: "named by the test" }] },
        { code: "GRAPH_CYCLE", location: { line: 2 } },
      ],
    });
  });

  test("sentence 2: leaves this thread its turns while it plans 10,000 units", async () => {
    const stack = new Stack(syntheticToml(10_000));
    const units = await composeUnits({ searchPath: [`${stack.dir}/modprobe`], env: stack.env });
    if (!units.ok) throw new Error("the units are not sound");
    let turns = 0;
    let timer = setImmediate(function turn() {
      turns++;
      timer = setImmediate(turn);
    });
    const planned = await planInWorker(units.value, {
      roots: syntheticRoots(10_000),
      facts: { rank: 0, size: 1 },
    });
    clearImmediate(timer);
    // One for each part that is sent, whatever the machine is busy with.
    expect(turns).toBeGreaterThan(50);
    expect(planned).toMatchObject({ ok: true, value: { steps: { length: 10_000 } } });
  });

  test("ends its thread at a limit", async () => {
    const catalog = catalogOf([{ name: "a" }]);
    const input = { roots: ["a"], facts: FACTS };
    const given = planInWorker(catalog, input, { signal: AbortSignal.abort("enough") });
    await expect(given).rejects.toSatisfy((error) => isErrno(error, "ECANCELED"));
    const late = planInWorker(catalog, input, { timeoutMs: 0 });
    await expect(late).rejects.toSatisfy((error) => isErrno(error, "ETIMEDOUT"));
  });
});

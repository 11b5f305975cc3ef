import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildEdges } from "../../src/graph/edges.js";
import { indexOf } from "../../src/graph/catalog-index.js";
import { canonicalOrder } from "../../src/graph/order.js";
import { type Cycle, findCycles } from "../../src/graph/cycles/cycles.js";
import { dryRunLines, type Plan, plan, showDeps } from "../../src/graph/index.js";
import { catalogOf, type UnitLiteral } from "../helpers/catalog.js";
import { runs } from "../helpers/property-runs.js";
import { type Case, cases, FACTS } from "./arbitrary.js";
import { oracle, oracleEdges, oracleOrder } from "./oracle.js";

const RUNS = runs(400);

function planOf({ units, alternatives, roots, enabled, facts }: Case) {
  const catalog = catalogOf(units, alternatives);
  return { catalog, result: plan(catalog, { request: { kind: "start", roots }, facts, enabled }) };
}

/** All that a plan says, as text. */
function bytesOf(made: Plan): string {
  return JSON.stringify([
    dryRunLines(made),
    showDeps(made),
    [...made.leftOut],
    [...made.picks].map(([service, unit]) => [service, unit.name]),
    [...made.dag.offsets, ...made.dag.targets],
  ]);
}

describe("any catalog", () => {
  test("is planned as the words of docs/design/planning.md §3–5 say: members, picks, reasons and unknown names", () => {
    let planned = 0;
    const kinds = new Map<string, number>();
    fc.assert(
      fc.property(cases({ withOrder: false, withUnknown: true }), (given) => {
        const { catalog, result } = planOf(given);
        const expected = oracle(catalog, given);
        if (!result.ok) {
          const named = result.diagnostics.map(({ message }) => message.split(" ").at(-1));
          expect(result.diagnostics.every(({ code }) => code === "GRAPH_UNKNOWN_NAME")).toBe(true);
          expect(new Set(named)).toEqual(expected.unknown);
          return;
        }
        planned += 1;
        const { steps, picks, leftOut } = result.value;
        expect(expected.unknown.size).toBe(0);
        expect(new Set(steps.map(({ unit }) => unit.name))).toEqual(expected.planned);
        expect(new Map([...picks].map(([service, unit]) => [service, unit.name]))).toEqual(expected.picks);
        expect(leftOut).toEqual(expected.reasons);
        for (const { kind } of leftOut.values()) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }),
      runs(1000),
    );
    expect(planned).toBeGreaterThan(330);
    // The cases are worth something: each reason occurs.
    expect([...kinds.keys()].sort()).toEqual(
      ["condition", "disabled", "need", "not-asked", "other-provider", "rank", "set-aside"].sort(),
    );
  });

  test("gives the same bytes each time, also for a catalog made anew", () => {
    fc.assert(
      fc.property(cases({ withOrder: true }), (given) => {
        const first = planOf(given);
        const second = planOf(structuredClone(given));
        if (first.result.ok && second.result.ok) {
          expect(bytesOf(first.result.value)).toBe(bytesOf(second.result.value));
        } else expect(JSON.stringify(first.result)).toBe(JSON.stringify(second.result));
      }),
      RUNS,
    );
  });

  test("gives a closed plan, in which every unit is or else has one reason", () => {
    fc.assert(
      fc.property(cases({ withOrder: false }), (given) => {
        const { catalog, result } = planOf(given);
        if (!result.ok) return;
        const { steps, leftOut, picks } = result.value;
        const inPlan = new Set(steps.map(({ unit }) => unit.name));
        for (const { name } of catalog.units) expect(inPlan.has(name)).toBe(!leftOut.has(name));
        for (const { unit } of steps) {
          for (const service of unit.requires) {
            const pick = picks.get(service)?.name ?? "";
            expect(inPlan.has(pick) || leftOut.has(pick)).toBe(true);
          }
          for (const need of unit.needs) {
            expect(catalog.providers.get(need)?.some(({ name }) => inPlan.has(name))).toBe(true);
          }
        }
      }),
      RUNS,
    );
  });

  test("is put in the canonical order of its naive edges, or reported as a cycle", () => {
    let ordered = 0;
    fc.assert(
      fc.property(cases({ withOrder: true }), (given) => {
        const { catalog, result } = planOf(given);
        const { planned, unknown } = oracle(catalog, given);
        if (unknown.size > 0) return;
        const units = catalog.units.filter(({ name }) => planned.has(name));
        const edges = oracleEdges(units);
        const order = oracleOrder(units, edges);
        expect(result.ok).toBe(order !== undefined);
        if (!result.ok || order === undefined) {
          expect(!result.ok && result.diagnostics.every(({ code }) => code === "GRAPH_CYCLE")).toBe(true);
          return;
        }
        ordered += 1;
        expect(result.value.steps.map(({ unit }) => unit.name)).toEqual(order);
        for (const [name, predecessors] of Object.entries(showDeps(result.value))) {
          const expected = order.filter((other) => edges.has(`${other} ${name}`)).sort();
          expect(predecessors).toEqual(expected);
        }
      }),
      runs(700),
    );
    expect(ordered).toBeGreaterThan(175);
  });
});

/** Many units that provide one service and many that name it, so that barriers stand between them; rarely in a ring. */
const crowds = fc
  .record({
    first: fc.array(fc.constantFrom(["s"], ["s"], ["s", "t"], []), { minLength: 10, maxLength: 16 }),
    second: fc.array(fc.constantFrom("after", "after", "before", "neither"), {
      minLength: 10,
      maxLength: 24,
    }),
    own: fc.nat({ max: 15 }),
    oddOne: fc.option(fc.record({ at: fc.nat({ max: 30 }), after: fc.constantFrom("s", "u0", "u20", "*") }), {
      nil: undefined,
      freq: 2,
    }),
  })
  .map(({ first, second, own, oddOne }): UnitLiteral[] => {
    const units = [
      // One that is after its own service; of two, each would wait for the other.
      ...first.map((provides, i) => ({ provides, after: i === own ? ["s"] : [], before: [] })),
      ...second.map((relation) => ({
        provides: [],
        after: relation === "after" ? ["s"] : [],
        before: relation === "before" ? ["t", "s"] : [],
      })),
    ];
    return units.map((unit, i) => ({
      ...unit,
      name: `u${i}`,
      after: [...unit.after, ...(i === oddOne?.at && unit.before.length === 0 ? [oddOne.after] : [])],
    }));
  });

describe("barriers", () => {
  test("make no difference to the order, and do not show", () => {
    let ordered = 0;
    fc.assert(
      fc.property(crowds, (literals) => {
        const catalog = catalogOf(literals);
        const roots = literals.map(({ name }) => name);
        const result = plan(catalog, { roots, facts: FACTS });
        const edges = oracleEdges(catalog.units);
        const order = oracleOrder(catalog.units, edges);
        expect(result.ok).toBe(order !== undefined);
        if (!result.ok || order === undefined) return;
        ordered += 1;
        expect(result.value.steps.map(({ unit }) => unit.name)).toEqual(order);
        const shown = Object.entries(showDeps(result.value)).flatMap(([name, list]) =>
          list.map((other) => `${other} ${name}`),
        );
        expect(new Set(shown)).toEqual(edges);
        expect(shown.length).toBe(edges.size);
      }),
      runs(400),
    );
    expect(ordered).toBeGreaterThan(80);
  });
});

/** The cycles among all units of a catalog, straight from the finder. */
function cyclesOf(literals: readonly UnitLiteral[]): Cycle[] {
  const index = indexOf(catalogOf(literals));
  const none = new Uint8Array(index.unitCount);
  const graph = buildEdges(index, Uint32Array.from(index.units.keys()), none);
  return findCycles(index, graph, canonicalOrder(graph), none);
}

/** Units that can reach each other over edges, of more than one unit. */
function naiveComponents(names: readonly string[], edges: ReadonlySet<string>): string[][] {
  const reach = new Map(names.map((name) => [name, new Set([name])]));
  for (let changed = true; changed;) {
    changed = false;
    for (const edge of edges) {
      const [from = "", to = ""] = edge.split(" ");
      for (const [, reached] of reach) {
        if (reached.has(from) && !reached.has(to)) {
          reached.add(to);
          changed = true;
        }
      }
    }
  }
  const component = (name: string): string[] =>
    names.filter((other) => reach.get(name)?.has(other) === true && reach.get(other)?.has(name) === true);
  return names.map(component).filter((members, i) => members.length > 1 && members[0] === names[i]);
}

function isAcyclic(names: readonly string[], edges: ReadonlySet<string>): boolean {
  return naiveComponents(names, edges).length === 0;
}

function shortestCycleLength(names: readonly string[], edges: ReadonlySet<string>): number {
  let best = Infinity;
  for (const start of names) {
    let frontier = new Set([start]);
    for (let length = 1; length <= names.length && length < best; length++) {
      frontier = new Set(names.filter((name) => [...frontier].some((from) => edges.has(`${from} ${name}`))));
      if (frontier.has(start)) best = length;
    }
  }
  return best;
}

describe("any cycle", () => {
  test("is shown once a component: real edges with their causes, shortest, chordless, and a minimal cut", () => {
    let found = 0;
    fc.assert(
      fc.property(
        fc.oneof(
          cases({ withOrder: true }).map(({ units }) => units),
          crowds,
        ),
        (literals) => {
          const { units } = catalogOf(literals);
          const edges = oracleEdges(units);
          const components = naiveComponents(
            units.map(({ name }) => name),
            edges,
          );
          const cycles = cyclesOf(literals);
          expect(cycles.map(({ unitCount }) => unitCount)).toEqual(components.map(({ length }) => length));
          for (const [i, cycle] of cycles.entries()) {
            found += 1;
            const members = components[i] ?? [];
            const inside = new Set(
              [...edges].filter((edge) => edge.split(" ").every((name) => members.includes(name))),
            );
            const round = cycle.edges.map(({ from }) => from);
            expect(cycle.edges.every(({ from, to }) => inside.has(`${from} ${to}`))).toBe(true);
            expect(cycle.edges.map(({ to }) => to)).toEqual([...round.slice(1), round[0]]);
            expect(new Set(round).size).toBe(round.length);
            expect(round.length).toBe(shortestCycleLength(members, inside));
            expect(cycle.edges.every(({ sources }) => sources.length > 0)).toBe(true);

            const cut = cycle.cut.map(({ from, to }) => `${from} ${to}`);
            expect(cut.length).toBe(cycle.cutCount);
            expect(cut.every((edge) => inside.has(edge))).toBe(true);
            const open = new Set([...inside].filter((edge) => !cut.includes(edge)));
            expect(isAcyclic(members, open)).toBe(true);
            for (const edge of cut.slice(0, 12))
              expect(isAcyclic(members, new Set([...open, edge]))).toBe(false);
          }
        },
      ),
      runs(400),
    );
    expect(found).toBeGreaterThan(120);
  });
});

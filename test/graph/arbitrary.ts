import fc from "fast-check";
import type { Facts } from "../../src/graph/index.js";
import type { AlternativeLiteral, UnitLiteral } from "../helpers/catalog.js";

/** A small catalog with dense relations, and a start request for it. */
export interface Case {
  readonly units: readonly UnitLiteral[];
  readonly alternatives: AlternativeLiteral;
  readonly roots: readonly string[];
  readonly enabled: readonly string[];
  readonly facts: Facts;
}

const SERVICES = ["s", "t", "v"];

/** At rank 0, with one attribute set. */
export const FACTS: Facts = { rank: 0, size: 4, config: {}, attrs: { set: "" }, env: {} };

interface CaseOptions {
  /** Adds `after` and `before`, wildcards included. */
  readonly withOrder: boolean;
  /** Most units of a case; fewer are as likely. */
  readonly maxUnits?: number;
  /** Whether a relation may name what does not exist. */
  readonly withUnknown?: boolean;
}

/** Names that a case of so many units may use in its relations. */
function names(count: number, withUnknown: boolean): string[] {
  const units = Array.from({ length: count }, (_, i) => `u${i}`);
  return [...units, ...units, ...SERVICES, ...SERVICES, ...(withUnknown ? ["ghost"] : [])];
}

export function cases(options: CaseOptions): fc.Arbitrary<Case> {
  const { maxUnits = 11, withUnknown = false } = options;
  return fc.integer({ min: 1, max: maxUnits }).chain((count) => {
    const name = fc.constantFrom(...names(count, withUnknown));
    const relation = fc.array(name, { maxLength: 3 });
    const someNames = fc.array(name, { maxLength: 2 });
    return fc
      .record({
        units: fc.tuple(
          ...Array.from({ length: count }, (_, i) => unit(i, relation, name, options.withOrder)),
        ),
        roots: fc.array(name, { minLength: 1, maxLength: 3 }),
        enabled: fc.option(someNames, { nil: [], freq: 5 }),
        chosen: fc.array(fc.nat(), { maxLength: 2 }),
      })
      .map(({ units, roots, enabled, chosen }) => ({
        units,
        roots,
        enabled,
        alternatives: alternativesOf(units, chosen),
        facts: FACTS,
      }));
  });
}

function unit(
  number: number,
  relation: fc.Arbitrary<string[]>,
  name: fc.Arbitrary<string>,
  withOrder: boolean,
): fc.Arbitrary<UnitLiteral> {
  const rarely = <T>(value: fc.Arbitrary<T>, otherwise: T): fc.Arbitrary<T> =>
    fc.oneof({ weight: 6, arbitrary: fc.constant(otherwise) }, { weight: 1, arbitrary: value });
  return fc
    .record({
      kind: fc.constantFrom("module", "module", "task"),
      provides: fc.array(fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...SERVICES) }, name), {
        maxLength: 2,
      }),
      priority: fc.constantFrom(50, 100, 100, 200),
      requires: relation,
      needs: fc.oneof(fc.constant([]), relation),
      ranks: rarely(fc.constantFrom("1", ">0"), "all"),
      disabled: rarely(fc.constant(true), false),
      needsAttrs: rarely(fc.constantFrom<string[]>(["set"], ["!set"], ["unset"]), []),
      order: withOrder ? orders(relation) : fc.constant({}),
    })
    .map(({ order, kind, ...keys }) => ({
      ...keys,
      ...order,
      kind: kind === "task" ? "task" : "module",
      name: `u${number}`,
    }));
}

/** A wildcard on one side leaves the other side empty, as composition sees to. */
function orders(relation: fc.Arbitrary<string[]>): fc.Arbitrary<Pick<UnitLiteral, "after" | "before">> {
  const few = relation.map((list) => list.slice(0, 1));
  return fc.oneof(
    { weight: 8, arbitrary: fc.record({ after: few, before: few }) },
    { weight: 1, arbitrary: few.map((list) => ({ after: ["*", ...list] })) },
    { weight: 1, arbitrary: few.map((list) => ({ before: [...list, "*"] })) },
  );
}

/** Forces providers that do provide, each service at most once, as composition leaves them. */
function alternativesOf(units: readonly UnitLiteral[], chosen: readonly number[]): AlternativeLiteral {
  const pairs = units.flatMap(({ name, provides = [] }) =>
    provides.map((service) => [service, name] as const),
  );
  const picked = new Map<string, string>();
  if (pairs.length === 0) return [];
  for (const number of chosen) {
    const [service, name] = pairs[number % pairs.length] ?? ["", ""];
    picked.delete(service);
    picked.set(service, name);
  }
  return [...picked];
}

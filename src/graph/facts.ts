import { type Condition, configGet, rankSetHas, type Unit } from "../units/index.js";
import type { Facts, FactsInput, Reason } from "./types.js";

/** {@link Facts} in full: a field that the caller left out is empty. */
export function completeFacts(input: FactsInput): Facts {
  return {
    rank: input.rank,
    size: input.size,
    config: input.config ?? {},
    attrs: input.attrs ?? {},
    env: input.env ?? {},
  };
}

/**
 * Whether the rank and the conditions of a unit are met. `disabled` is checked elsewhere
 * (docs/design/planning.md §6).
 */
export function isMeantFor(unit: Unit, facts: Facts): boolean {
  return rankSetHas(unit.ranks, facts.rank) && unmetCondition(unit, facts) === undefined;
}

/** Whether an instance of this size has a rank of the unit. */
export function isOnAnyRank({ ranks }: Unit, size: number): boolean {
  return (ranks.ranges[0]?.[0] ?? size) < size;
}

/** The first condition of a unit that does not hold. */
export function unmetCondition(unit: Unit, facts: Facts): Extract<Reason, { kind: "condition" }> | undefined {
  for (const { key, condition } of unmetConditions(unit, facts)) {
    return { kind: "condition", key, condition: `${condition.negated ? "!" : ""}${condition.key}` };
  }
  return undefined;
}

interface UnmetCondition {
  readonly key: "needs-config" | "needs-attrs" | "needs-env";
  readonly condition: Condition;
}

/** All conditions of a unit that are not met, in the order of docs/design/planning.md §1. */
export function* unmetConditions(unit: Unit, facts: Facts): Generator<UnmetCondition> {
  for (const condition of unit.needsConfig) {
    const isThere = configGet(facts.config, condition.key) !== undefined;
    if (isThere === condition.negated) yield { key: "needs-config", condition };
  }
  for (const condition of unit.needsAttrs) {
    if (isSet(facts.attrs, condition.key) === condition.negated) yield { key: "needs-attrs", condition };
  }
  for (const condition of unit.needsEnv) {
    if (isSet(facts.env, condition.key) === condition.negated) yield { key: "needs-env", condition };
  }
}

/** Present, with any value. Own properties only: `constructor` is not an attribute of every broker. */
function isSet(table: Readonly<Record<string, string | undefined>>, key: string): boolean {
  return Object.hasOwn(table, key) && table[key] !== undefined;
}

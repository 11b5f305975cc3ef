import type { Condition, ConfigTable, ConfigValue, RankSet, Unit } from "../units/index.js";
import type { Facts, FactsInput, Reason } from "./types.js";

/** Why a unit cannot be used, in the order in which reasons are given (planning.md §5). */
export type Blocker = Extract<Reason, { kind: "disabled" | "rank" | "condition" }>["kind"];

/** {@link Facts} in full: what the caller left out is empty. */
export function completeFacts(input: FactsInput): Facts {
  return {
    rank: input.rank,
    size: input.size,
    config: input.config ?? {},
    attrs: input.attrs ?? {},
    env: input.env ?? {},
  };
}

/** Whether rank and conditions of a unit hold; `disabled` is another matter (planning.md §6). */
export function isMeantFor(unit: Unit, facts: Facts): boolean {
  return includesRank(unit.ranks, facts.rank) && unmetCondition(unit, facts) === undefined;
}

/** Binary search: a set of ranks of a large instance may have thousands of ranges. */
export function includesRank(ranks: RankSet, rank: number): boolean {
  let low = 0;
  let high = ranks.ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [first, last] = ranks.ranges[middle] ?? [0, -1];
    if (rank < first) high = middle - 1;
    else if (rank > last) low = middle + 1;
    else return true;
  }
  return false;
}

/** The first condition of a unit that does not hold. */
export function unmetCondition(unit: Unit, facts: Facts): Extract<Reason, { kind: "condition" }> | undefined {
  const config = unit.needsConfig.find(({ key, negated }) => isConfigured(facts.config, key) === negated);
  if (config !== undefined) return unmet("needs-config", config);
  const attr = unit.needsAttrs.find(({ key, negated }) => isSet(facts.attrs, key) === negated);
  if (attr !== undefined) return unmet("needs-attrs", attr);
  const env = unit.needsEnv.find(({ key, negated }) => isSet(facts.env, key) === negated);
  return env === undefined ? undefined : unmet("needs-env", env);
}

function unmet(
  key: "needs-config" | "needs-attrs" | "needs-env",
  condition: Condition,
): Extract<Reason, { kind: "condition" }> {
  return { kind: "condition", key, condition: `${condition.negated ? "!" : ""}${condition.key}` };
}

/** Present, whatever the value. Own properties only: `constructor` is not an attribute of every broker. */
function isSet(table: Readonly<Record<string, string | undefined>>, key: string): boolean {
  return Object.hasOwn(table, key) && table[key] !== undefined;
}

/** A key below a plain value is not set (differences.md, 18). */
function isConfigured(config: ConfigTable, dottedKey: string): boolean {
  let value: ConfigValue | undefined = config;
  for (const key of dottedKey.split(".")) {
    if (!isTable(value) || !Object.hasOwn(value, key)) return false;
    value = value[key];
  }
  return value !== undefined;
}

function isTable(value: ConfigValue | undefined): value is ConfigTable {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Date);
}

import { type Condition, configGet, rankSetHas, type Unit } from "../units/index.js";
import type { Facts, FactsInput, Reason } from "./types.js";

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
  return rankSetHas(unit.ranks, facts.rank) && unmetCondition(unit, facts) === undefined;
}

/** The first condition of a unit that does not hold. */
export function unmetCondition(unit: Unit, facts: Facts): Extract<Reason, { kind: "condition" }> | undefined {
  const config = unit.needsConfig.find(
    ({ key, negated }) => (configGet(facts.config, key) !== undefined) === negated,
  );
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

import type { Unit } from "../../units/index.js";
import type { OrderCause } from "./account-types.js";
import { WILDCARD } from "../catalog-index.js";
import type { Plan } from "../types.js";

/**
 * The relations that order one planned unit against the others (docs/design/planning.md §5.2): its own keys
 * first, then the keys of other units that name it. Reads each relation of the plan once.
 */
export function orderOf(
  plan: Plan,
  unit: Unit,
): Pick<Record<"after" | "before", OrderCause[]>, "after" | "before"> {
  const others = plan.steps.map((step) => step.unit).filter(({ name }) => name !== unit.name);
  const own = new Set([unit.name, ...unit.provides]);
  return {
    after: [...ownCauses(plan, unit, "after", others), ...foreignCauses(plan, unit, "before", others, own)],
    before: [...ownCauses(plan, unit, "before", others), ...foreignCauses(plan, unit, "after", others, own)],
  };
}

type OrderKey = "after" | "before";

/** The order in the keys of the unit itself. */
function ownCauses(plan: Plan, unit: Unit, key: OrderKey, others: readonly Unit[]): OrderCause[] {
  return [...new Set(unit[key])].flatMap((name) => {
    const meant = others.filter((other) =>
      name === WILDCARD
        ? !other[key].includes(WILDCARD)
        : other.name === name || other.provides.includes(name),
    );
    return meant.length === 0 ? [] : [orderCause(plan, unit, key, name, meant)];
  });
}

/** The order in the keys of other units. */
function foreignCauses(
  plan: Plan,
  unit: Unit,
  key: OrderKey,
  others: readonly Unit[],
  own: ReadonlySet<string>,
): OrderCause[] {
  const isCovered = (name: string): boolean =>
    name === WILDCARD ? !unit[key].includes(WILDCARD) : own.has(name);
  return others.flatMap((other) =>
    [...new Set(other[key])].filter(isCovered).map((name) => orderCause(plan, other, key, name, [other])),
  );
}

function orderCause(
  plan: Plan,
  owner: Unit,
  key: OrderKey,
  name: string,
  units: readonly Unit[],
): OrderCause {
  const origin = plan.catalog.originOf(owner.name, key, name);
  return {
    units: units.map((other) => other.name),
    statement: { text: `${key} = "${name}"`, unit: owner.name, origin },
  };
}

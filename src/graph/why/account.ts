import { causesOfLeftOut, causesOfPlanned } from "./account-causes.js";
import { orderOf } from "./account-order.js";
import { servicesOf } from "./account-services.js";
import type { Account, AccountInput } from "./account-types.js";
import { type Advice, findRemedies } from "./change-search.js";
import type { Explanation } from "../types.js";

/**
 * Accounts for a unit: whether it is in the plan of a start, and the chain of causes down to a statement in a
 * file. It also shows which provider serves each of its services and why, and which units it is ordered with.
 * If the unit is out, the account has the smallest change that brings it in. A pure function.
 *
 * @param name of a unit, else of a service, which stands for its pick
 * @returns undefined if nothing has that name
 */
export function accountFor(input: AccountInput, name: string): Account | undefined {
  const { plan } = input;
  const explanation = plan.explain(name) ?? explainUnasked(input, name);
  if (explanation === undefined || explanation.kind === "untouched") return undefined;
  const unit = plan.catalog.byName.get(explanation.unit);
  if (unit === undefined) return undefined;
  const isPlanned = explanation.kind === "planned";
  return {
    name,
    unit: unit.name,
    status: explanation.kind,
    action: isPlanned ? explanation.action : undefined,
    definedAt: plan.catalog.originOf(unit.name, "name"),
    causes: causesOf(input, explanation),
    services: servicesOf(plan, unit, name),
    ...(isPlanned ? orderOf(plan, unit) : { after: [], before: [] }),
    advice: explanation.kind === "left-out" ? adviceFor(input, unit.name) : undefined,
  };
}

/** A service that the plan has no pick for stands for its last provider. */
function explainUnasked({ plan }: AccountInput, name: string): Explanation | undefined {
  const unit = plan.catalog.providers.get(name)?.at(-1)?.name;
  return unit === undefined ? undefined : plan.explain(unit);
}

function causesOf(input: AccountInput, explanation: Explanation): Account["causes"] {
  switch (explanation.kind) {
    case "planned":
      return causesOfPlanned(input, explanation.chain);
    case "left-out":
      return causesOfLeftOut(input, explanation.unit, explanation.reason);
    case "loaded":
    case "untouched":
      return [];
  }
}

function adviceFor({ plan, enabled, budget }: AccountInput, unit: string): Advice | undefined {
  if (plan.request.kind !== "start" || budget === 0) return undefined;
  const { catalog, facts } = plan;
  const options = budget === undefined ? {} : { budget };
  return findRemedies({ catalog, facts, roots: plan.request.roots, enabled }, plan, unit, options);
}

import type { Alternative, Catalog, Unit } from "../../units/index.js";
import type { Candidacy, Statement, ServiceAccount } from "./account-types.js";
import { reasonText } from "../reason-text.js";
import type { PickedBy, Plan } from "../types.js";

/**
 * For each service of a unit that others provide too: the picked provider, and the rule by which each of the others
 * lost (docs/design/planning.md §4).
 * @param asked a service to account for even if it has only one provider
 */
export function servicesOf(plan: Plan, unit: Unit, asked: string): ServiceAccount[] {
  return [...new Set([asked, unit.name, ...unit.provides])].flatMap((service) => {
    const providers = plan.catalog.providers.get(service) ?? [];
    const isPlain = providers.length < 2 && service === unit.name;
    return isPlain || providers.length === 0 ? [] : [accountOf(plan, service, providers)];
  });
}

function accountOf(plan: Plan, service: string, providers: readonly Unit[]): ServiceAccount {
  const picked = plan.picks.get(service);
  const ordered = picked === undefined ? providers : [picked, ...providers.filter((unit) => unit !== picked)];
  return {
    service,
    picked: picked?.name,
    providers: ordered.map((unit) => candidacy(plan, service, picked, unit)),
  };
}

function candidacy(plan: Plan, service: string, picked: Unit | undefined, unit: Unit): Candidacy {
  const { name, priority } = unit;
  if (unit === picked) return { unit: name, priority, lost: undefined, statements: [] };
  const reason = plan.leftOut.get(name);
  const isUnable = reason !== undefined && reason.kind !== "other-provider" && reason.kind !== "not-asked";
  if (isUnable)
    return { unit: name, priority, lost: { by: reason.kind, text: reasonText(reason) }, statements: [] };
  if (picked === undefined) return { unit: name, priority, lost: undefined, statements: [] };
  const choice = choiceBetween(plan.catalog, service, picked, unit);
  return { unit: name, priority, lost: { by: choice.by, text: choice.text }, statements: choice.statements };
}

/** Why one usable provider wins over another, with the statements. */
export function choiceBetween(
  catalog: Catalog,
  service: string,
  picked: Unit,
  other: Unit,
): {
  readonly by: Exclude<PickedBy, "loaded">;
  readonly text: string;
  readonly statements: readonly Statement[];
} {
  const alternative = alternativeFor(catalog, service, picked);
  if (alternative !== undefined) {
    return {
      by: "alternative",
      text: `${picked.name} is the alternative for ${alternative.service}`,
      statements: [
        {
          text: `alternatives.${alternative.service} = "${picked.name}"`,
          unit: undefined,
          origin: alternative.origin,
        },
      ],
    };
  }
  const key = picked.priority === other.priority ? "order" : "priority";
  const statements = [picked, other].map((unit) =>
    statementOf(catalog, unit, key === "priority" ? "priority" : "name"),
  );
  return {
    by: key,
    text:
      key === "priority"
        ? `priority ${other.priority} against ${picked.priority} of ${picked.name}`
        : `the same priority ${picked.priority} as ${picked.name}, which is defined later`,
    statements,
  };
}

/** The alternative of the service itself, else the one set last for another service. */
function alternativeFor(catalog: Catalog, service: string, picked: Unit): Alternative | undefined {
  const own = catalog.alternatives.filter(({ unit }) => unit === picked.name);
  return own.find((alternative) => alternative.service === service) ?? own.at(-1);
}

function statementOf(catalog: Catalog, unit: Unit, key: "priority" | "name"): Statement {
  const given = catalog.originOf(unit.name, key);
  const text = key === "priority" ? `priority = ${unit.priority}` : `name = "${unit.name}"`;
  return {
    text: given === undefined ? `${text} by default` : text,
    unit: unit.name,
    origin: given ?? catalog.originOf(unit.name, "name"),
  };
}

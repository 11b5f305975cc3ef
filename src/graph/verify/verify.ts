import { compareDiagnostics, type Diagnostic, didYouMean } from "../../errors/index.js";
import type { Catalog, Unit } from "../../units/index.js";
import { WILDCARD } from "../catalog-index.js";
import { providerWarnings } from "./verify-providers.js";

/** Each suggestion compares all names. The warnings after this number come without one. */
const SUGGESTIONS = 20;

/**
 * Doubtful parts of composed units that still have a plan. Warnings UNIT_ORDER_ON_UNKNOWN (a plan ignores a name in
 * `after` or `before` that nothing provides) and UNIT_FOLLOWS_UNKNOWN (the same in `follows`). UNIT_NEED_ON_UNKNOWN
 * (a plan always leaves out a unit with such a need), and the warnings of `providerWarnings`. It sorts them by place
 * (docs/design/planning.md §4).
 * @param chosen services whose provider the code of an rc file may choose
 */
export function verifyCatalog(catalog: Catalog, chosen: ReadonlySet<string> = new Set()): Diagnostic[] {
  let suggestions = 0;
  const hint = (name: string): string | undefined => {
    suggestions += 1;
    return suggestions > SUGGESTIONS ? undefined : didYouMean(name, catalog.providers.keys());
  };
  return catalog.units
    .flatMap((unit) => [
      ...unknownNameWarnings(catalog, unit, "after", hint),
      ...unknownNameWarnings(catalog, unit, "before", hint),
      ...unknownNameWarnings(catalog, unit, "needs", hint),
      ...unknownFollowWarnings(catalog, unit, hint),
    ])
    .concat(providerWarnings(catalog, chosen))
    .sort(compareDiagnostics);
}

/** A missing unit never restarts either. */
function unknownFollowWarnings(
  catalog: Catalog,
  unit: Unit,
  hint: (name: string) => string | undefined,
): Diagnostic[] {
  if (unit.kind !== "module") return [];
  const unknown = [...new Set(unit.follows)].filter((name) => !catalog.providers.has(name));
  return unknown.map((name) => ({
    code: "UNIT_FOLLOWS_UNKNOWN",
    severity: "warning",
    message: `${unit.name} follows ${name}, which no unit provides and Sluice ignores`,
    location: catalog.originOf(unit.name, "follows", name)?.location,
    related: [],
    hint: hint(name),
  }));
}

function unknownNameWarnings(
  catalog: Catalog,
  unit: Unit,
  key: "after" | "before" | "needs",
  hint: (name: string) => string | undefined,
): Diagnostic[] {
  const unknown = [...new Set(unit[key])].filter((name) => name !== WILDCARD && !catalog.providers.has(name));
  return unknown.map((name) => ({
    code: key === "needs" ? "UNIT_NEED_ON_UNKNOWN" : "UNIT_ORDER_ON_UNKNOWN",
    severity: "warning",
    message:
      key === "needs"
        ? `${unit.name} needs ${name}, which no unit provides, and is always left out`
        : `${unit.name} is ${key} ${name}, which no unit provides and Sluice ignores`,
    location: catalog.originOf(unit.name, key, name)?.location,
    related: [],
    hint: hint(name),
  }));
}

import type { Alternative, Catalog, Unit } from "../units/index.js";

/**
 * A catalog of other units. It has the origins of the catalog that they are made from, and its alternatives unless
 * others are given.
 */
export function catalogWith(
  base: Catalog,
  units: readonly Unit[],
  alternatives: readonly Alternative[] = base.alternatives,
): Catalog {
  const providers = new Map<string, Unit[]>();
  for (const unit of units) {
    for (const service of new Set([unit.name, ...unit.provides])) {
      const known = providers.get(service);
      if (known === undefined) providers.set(service, [unit]);
      else known.push(unit);
    }
  }
  return {
    units,
    byName: new Map(units.map((unit) => [unit.name, unit])),
    providers,
    alternatives,
    originOf: (unit, key, element) => base.originOf(unit, key, element),
  };
}

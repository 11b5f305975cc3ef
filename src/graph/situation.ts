import type { CatalogIndex } from "./catalog-index.js";

/** Code in {@link Situation.blocked}. */
export const FREE = 0;
/** Disabled, off-rank or with an unmet condition. The planner finds the cause only when a caller needs it. */
export const UNUSABLE = 1;
/** In a stop: a module that is not loaded, and that this plan will not load. */
export const ABSENT = 2;

/** A catalog under facts and a request: all the data for picking and closing, as integers. */
export interface Situation {
  readonly index: CatalogIndex;
  /** Unit → {@link FREE}, or why it cannot be used. */
  readonly blocked: Uint8Array;
  /** Unit → 1 if its needs do not count, because it is loaded already, or the request names it. */
  readonly exempt: Uint8Array;
  /** Unit → runs already. It gets no step and is never left out. */
  readonly loaded: Uint8Array;
  /** Service → a loaded module provides it, perhaps one that the catalog lacks. */
  readonly served: Uint8Array;
  /** Service → units, because a running module may provide services that its unit does not declare. */
  readonly servedBy: ReadonlyMap<number, readonly number[]>;
  /** Unit → 1 if it is picked only without another viable provider: a disabled one in an explicit load. */
  readonly lastResort: Uint8Array;
  readonly alternatives: AlternativeIndex;
  /** Whether loaded modules request their requirements too. */
  readonly followsLoaded: boolean;
  readonly roots: Roots;
}

/** Forced providers (docs/design/planning.md §2, §4). */
export interface AlternativeIndex {
  /** Service → unit, or -1. */
  readonly ofService: Int32Array;
  /** Unit → how late it was set for any service. A larger number is later; -1: never. */
  readonly rank: Int32Array;
}

/** The requested names: services, whose picks are activated, and units, which no other unit replaces. */
export interface Roots {
  readonly services: readonly number[];
  readonly units: readonly number[];
}

/** A service and the unit that is to provide it. Later ones win. */
export interface Choice {
  readonly service: number;
  readonly unit: number;
}

/** The alternatives of the catalog. An alternative that names no provider of its service is an error of `compose`. */
export function catalogChoices(index: CatalogIndex): Choice[] {
  return index.catalog.alternatives.flatMap(({ service, unit }) => {
    const serviceId = index.serviceIds.get(service);
    const unitNumber = index.serviceIds.get(unit);
    if (serviceId === undefined || unitNumber === undefined) return [];
    return index.providers.row(serviceId).includes(unitNumber)
      ? [{ service: serviceId, unit: unitNumber }]
      : [];
  });
}

export function indexAlternatives(index: CatalogIndex, choices: readonly Choice[]): AlternativeIndex {
  const ofService = new Int32Array(index.serviceCount).fill(-1);
  for (const { service, unit } of choices) ofService[service] = unit;
  const rank = new Int32Array(index.unitCount).fill(-1);
  for (const [place, { service, unit }] of choices.entries()) {
    if (ofService[service] === unit) rank[unit] = place;
  }
  return { ofService, rank };
}

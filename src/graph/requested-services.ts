import { serviceName, unitAt } from "./catalog-index.js";
import type { Membership } from "./membership.js";
import type { Situation } from "./situation.js";
import type { UnknownName } from "./request-names.js";
import type { Unit } from "../units/index.js";

/**
 * Calls back for each service that the plan requests: the services of the roots, then the requirements of its units.
 */
export function eachRequestedService(
  situation: Situation,
  { members }: Membership,
  callback: (service: number, asker: number | undefined) => void,
): void {
  const { index, roots, loaded, followsLoaded } = situation;
  for (const service of roots.services) callback(service, undefined);
  for (let unit = 0; unit < index.unitCount; unit++) {
    if (members[unit] === 0 || (loaded[unit] === 1 && !followsLoaded)) continue;
    const { requires } = index;
    for (let e = requires.start(unit); e < requires.end(unit); e++) callback(requires.item(e), unit);
  }
}

/** The pick of each requested service. A root that no provider replaces is the pick of its own name. */
export function requestedPicks(situation: Situation, membership: Membership): Map<string, Unit> {
  const { index, roots } = situation;
  const picks = new Map<string, Unit>();
  for (const unit of roots.units) picks.set(unitAt(index, unit).name, unitAt(index, unit));
  const seen = new Uint8Array(index.serviceCount);
  eachRequestedService(situation, membership, (service) => {
    if (seen[service] === 1) return;
    seen[service] = 1;
    const pick = membership.picks[service] ?? -1;
    if (pick >= 0) picks.set(serviceName(index, service), unitAt(index, pick));
  });
  return picks;
}

/** Names in the `requires` of planned units that nothing provides. A left-out unit may name an unknown unit. */
export function unknownRequirements(situation: Situation, membership: Membership): UnknownName[] {
  const { index, loaded, served } = situation;
  const unknown: UnknownName[] = [];
  eachRequestedService(situation, membership, (service, asker) => {
    if (asker === undefined || loaded[asker] === 1) return;
    if (index.providers.count(service) > 0 || served[service] === 1) return;
    const requiredBy = unitAt(index, asker).name;
    const name = serviceName(index, service);
    unknown.push({ name, requiredBy, origin: index.catalog.originOf(requiredBy, "requires", name) });
  });
  return unknown;
}

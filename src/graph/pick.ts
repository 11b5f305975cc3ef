import type { Situation } from "./situation.js";
import type { PickedBy } from "./types.js";

/** A service that no unit of the catalog provides. */
export const NO_PROVIDER = -1;
/** A service whose provider is a loaded module that the catalog lacks. */
const FOREIGN_PROVIDER = -2;

/**
 * The pick of every service (docs/design/planning.md §4), or {@link NO_PROVIDER} or {@link FOREIGN_PROVIDER}.
 * Loaded providers serve before any other (docs/design/planning.md §6). Reads each provider of each service
 * once.
 */
export function pickProviders(situation: Situation, viable: Uint8Array): Int32Array {
  const { index, served, servedBy, loaded } = situation;
  const picks = new Int32Array(index.serviceCount).fill(NO_PROVIDER);
  for (let service = 0; service < index.serviceCount; service++) {
    const { providers } = index;
    let best = NO_PROVIDER;
    for (let e = providers.start(service); e < providers.end(service); e++) {
      const unit = providers.item(e);
      if (best === NO_PROVIDER || outranks(situation, viable, service, unit, best)) best = unit;
    }
    picks[service] = best;
  }
  for (const [service, units] of servedBy) {
    for (const unit of units) {
      const best = picks[service] ?? NO_PROVIDER;
      if (best === NO_PROVIDER || outranks(situation, viable, service, unit, best)) picks[service] = unit;
    }
  }
  for (let service = 0; service < index.serviceCount; service++) {
    const pick = picks[service] ?? NO_PROVIDER;
    if (served[service] === 1 && (pick < 0 || loaded[pick] === 0)) picks[service] = FOREIGN_PROVIDER;
  }
  return picks;
}

/** Whether unit `a` wins over unit `b` as the provider of a service. */
function outranks(situation: Situation, viable: Uint8Array, service: number, a: number, b: number): boolean {
  const { loaded, lastResort, alternatives } = situation;
  const both = viable[a] === 1 && viable[b] === 1;
  if (!both && viable[a] !== viable[b]) return viable[a] === 1;
  if (both) {
    if (loaded[a] !== loaded[b]) return loaded[a] === 1;
    if (lastResort[a] !== lastResort[b]) return lastResort[a] === 0;
    const chosen = alternatives.ofService[service];
    if (chosen === a || chosen === b) return chosen === a;
    const difference = (alternatives.rank[a] ?? -1) - (alternatives.rank[b] ?? -1);
    if (difference !== 0) return difference > 0;
  }
  return comesLater(situation, a, b);
}

/** Compares two units by (priority, load order). */
function comesLater({ index }: Situation, a: number, b: number): boolean {
  const difference = (index.priorities[a] ?? 0) - (index.priorities[b] ?? 0);
  return difference === 0 ? a > b : difference > 0;
}

/** The reason why the pick wins over another viable unit. */
export function pickedBy(situation: Situation, picked: number, other: number): PickedBy {
  const { index, loaded, alternatives } = situation;
  if (loaded[picked] === 1) return "loaded";
  if ((alternatives.rank[picked] ?? -1) >= 0) return "alternative";
  return index.priorities[picked] === index.priorities[other] ? "order" : "priority";
}

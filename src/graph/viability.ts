import type { CatalogIndex } from "./catalog-index.js";
import type { Situation } from "./situation.js";

/** Level of an item that never became unviable. */
export const NEVER = 0x7fffffff;

/**
 * Which units are viable (docs/design/planning.md §3): usable, not set aside, and each need has a viable provider.
 *
 * The greatest fixed point: at first all usable units count as viable. A queue withdraws each unit that has lost the
 * last provider of a need. So units that need each other in a ring remain viable. It checks each relation once.
 */
export interface Viability {
  readonly viable: Uint8Array;
  /** Service → number of viable providers. */
  readonly providerCount: Uint32Array;
  /**
   * Unit → when it was withdrawn: 0 at the start, else one more than the level of the need that it lost. Because the
   * queue is first in, first out, levels are those of simultaneous passes and do not depend on the order of work.
   */
  readonly unitLevel: Int32Array;
  /** Service → level at which it lost its last provider; 0 if it never had one. */
  readonly serviceLevel: Int32Array;
}

export function computeViability(situation: Situation, setAside: Uint8Array): Viability {
  const { index } = situation;
  const viable = new Uint8Array(index.unitCount);
  const providerCount = new Uint32Array(index.serviceCount);
  const unitLevel = new Int32Array(index.unitCount).fill(NEVER);
  const serviceLevel = new Int32Array(index.serviceCount).fill(NEVER);
  const queue: number[] = [];

  for (let unit = 0; unit < index.unitCount; unit++) {
    const usable = situation.blocked[unit] === 0 && setAside[unit] === 0;
    if (usable || situation.loaded[unit] === 1) viable[unit] = 1;
    else unitLevel[unit] = 0;
    addToServices(index, unit, providerCount, viable[unit] ?? 0);
  }
  const loseService = (service: number, level: number): void => {
    serviceLevel[service] = level;
    const { needers } = index;
    for (let e = needers.start(service); e < needers.end(service); e++) {
      const needer = needers.item(e);
      if (viable[needer] === 0 || situation.exempt[needer] === 1) continue;
      viable[needer] = 0;
      unitLevel[needer] = level + 1;
      queue.push(needer);
    }
  };
  for (let service = 0; service < index.serviceCount; service++) {
    if (providerCount[service] === 0 && situation.served[service] === 0) loseService(service, 0);
  }
  // An array iterator also visits elements that are pushed while it runs: this is the queue.
  for (const unit of queue) {
    const { provides } = index;
    for (let e = provides.start(unit); e < provides.end(unit); e++) {
      const service = provides.item(e);
      const left = (providerCount[service] ?? 0) - 1;
      providerCount[service] = left;
      if (left === 0 && situation.served[service] === 0) loseService(service, unitLevel[unit] ?? 0);
    }
  }
  return { viable, providerCount, unitLevel, serviceLevel };
}

function addToServices(index: CatalogIndex, unit: number, counts: Uint32Array, by: number): void {
  const { provides } = index;
  for (let e = provides.start(unit); e < provides.end(unit); e++) {
    const service = provides.item(e);
    counts[service] = (counts[service] ?? 0) + by;
  }
}

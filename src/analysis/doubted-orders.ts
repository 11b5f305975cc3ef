import type { Adjacent } from "../run/index.js";
import { learn } from "./learn.js";
import { Orders } from "./orders.js";
import type { RunRecord } from "./record.js";

/** An order that tries whether two units need each other although no relation orders them. */
export interface DoubtedOrder {
  /** The units to take first, each as soon as it is ready. All others come after them. */
  readonly units: readonly string[];
  /** The reversed pairs: the first unit of each sent a request to the other in the recorded run, and got an answer. */
  readonly pairs: readonly Adjacent[];
}

/**
 * The orders that `modprobe learn` doubts. If a unit started only by chance after the unit that received its
 * request, they put it before that unit. One order reverses as many pairs as it can.
 */
export function doubtedOrders(record: RunRecord): DoubtedOrder[] {
  const lesson = learn(record);
  if (lesson === undefined) return [];
  const orders = new Orders(record.plan);
  let doubts = [...lesson.missing, ...lesson.doubtful].map(({ unit, asked }): Adjacent => ({
    first: unit,
    then: asked,
  }));
  const found: DoubtedOrder[] = [];
  while (doubts.length > 0) {
    const units = new Set<string>();
    const pairs: Adjacent[] = [];
    for (const pair of doubts) {
      const needed = orders.upTo(pair.first);
      // A unit that must come first in this order cannot come later.
      if (units.has(pair.then) || pairs.some(({ then }) => needed.includes(then))) continue;
      for (const unit of needed) units.add(unit);
      pairs.push(pair);
    }
    found.push({ units: [...units], pairs });
    doubts = doubts.filter((pair) => !pairs.includes(pair));
  }
  return found;
}

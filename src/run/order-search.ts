/** Two neighbouring units of an order. */
export interface Adjacent {
  readonly first: string;
  readonly then: string;
}

/** Two legal orders that differ only in two neighbours. Only one of them fails. */
export interface FoundPair {
  /** This order of the two fails, unlike the opposite order. */
  readonly pair: Adjacent;
  readonly failing: readonly string[];
  readonly passing: readonly string[];
}

/**
 * Leads from a failing order to a passing one by legal exchanges of neighbours. By bisection it finds one exchange
 * that makes the difference. The number of trials is about log2 of the number of pairs in which the two orders
 * differ.
 * @param failing all units in an order that fails
 * @param passing the same units in an order that does not fail
 * @param fails tries an order
 */
export async function findPair(
  failing: readonly string[],
  passing: readonly string[],
  fails: (order: readonly string[]) => Promise<boolean>,
): Promise<FoundPair | undefined> {
  let low = 0;
  let high = walk(failing, passing, Infinity).exchanges;
  if (high === 0) return undefined;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (await fails(walk(failing, passing, middle).order)) low = middle;
    else high = middle;
  }
  const before = walk(failing, passing, low).order;
  const after = walk(failing, passing, high).order;
  const at = before.findIndex((unit, place) => unit !== after[place]);
  const [first, then] = [before[at], before[at + 1]];
  if (first === undefined || then === undefined) return undefined;
  return { pair: { first, then }, failing: before, passing: after };
}

/**
 * Makes the first exchanges on the way from one order to the other. It brings each unit of the goal to its
 * place, one after the other, past units that come later in the goal. The unit has no relation to them,
 * because it comes after them in the other order.
 */
function walk(
  from: readonly string[],
  goal: readonly string[],
  most: number,
): { readonly order: readonly string[]; readonly exchanges: number } {
  const order = [...from];
  let exchanges = 0;
  for (const [place, unit] of goal.entries()) {
    const at = order.indexOf(unit, place);
    const steps = Math.min(at - place, most - exchanges);
    if (steps > 0) {
      order.splice(at, 1);
      order.splice(at - steps, 0, unit);
      exchanges += steps;
    }
    if (exchanges >= most) break;
  }
  return { order, exchanges };
}

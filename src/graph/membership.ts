import { type Csr, RowList } from "./csr.js";
import { pickProviders } from "./pick.js";
import { dropUnsupported, type Dropped, STAYED } from "./drop-unsupported.js";
import type { Situation } from "./situation.js";
import { computeViability, type Viability } from "./viability.js";

/** Why a unit was set aside. */
export interface SetAside {
  readonly service: number;
  readonly missing: number;
}

/** What the rounds come to. */
export interface Membership {
  readonly viability: Viability;
  /** Service → unit, or a negative number; see pick.ts. */
  readonly picks: Int32Array;
  /** Units asked for by roots or by what they require, before needs were looked at. */
  readonly activated: Uint8Array;
  readonly removal: Dropped;
  /** Units that stay; those that are loaded already are among them if something asks for them. */
  readonly members: Uint8Array;
  readonly setAside: ReadonlyMap<number, SetAside>;
}

/**
 * Who is in the plan (docs/design/planning.md §5.1). Each round is linear; there is another one only if it sets aside
 * one more unit whose service somebody else can provide.
 */
export function decideMembership(situation: Situation): Membership {
  const setAside = new Map<number, SetAside>();
  for (;;) {
    const round = runRound(situation, setAside);
    const losers = findReplaceable(situation, round);
    if (losers.size === 0) return round;
    for (const [unit, loss] of losers) setAside.set(unit, loss);
  }
}

function runRound(situation: Situation, setAside: ReadonlyMap<number, SetAside>): Membership {
  const { index } = situation;
  const isSetAside = new Uint8Array(index.unitCount);
  for (const unit of setAside.keys()) isSetAside[unit] = 1;
  const viability = computeViability(situation, isSetAside);
  const picks = pickProviders(situation, viability.viable);
  const held = new Uint8Array(index.unitCount);
  const activated = activate(situation, picks, isSetAside, held);
  const removal = dropUnsupported({
    asks: () => askEdges(situation, picks, activated),
    included: activated,
    held,
    needers: index.needers,
    groups: index.provides,
    inexhaustible: situation.served,
    exempt: situation.exempt,
  });
  const members = activated.map((active, unit) => Number(active === 1 && removal.fate[unit] === STAYED));
  return { viability, picks, activated, removal, members, setAside };
}

/** Whether the requirements of a unit are asked for with it. */
function follows(situation: Situation, unit: number): boolean {
  return situation.followsLoaded || situation.loaded[unit] === 0;
}

/** The picks of the roots, closed under `requires`. */
function activate(
  situation: Situation,
  picks: Int32Array,
  isSetAside: Uint8Array,
  held: Uint8Array,
): Uint8Array {
  const { index, roots, blocked, loaded } = situation;
  const active = new Uint8Array(index.unitCount);
  const reached: number[] = [];
  const reach = (unit: number): boolean => {
    if (unit < 0) return false;
    const usable = blocked[unit] === 0 && isSetAside[unit] === 0;
    if (!usable && loaded[unit] === 0) return false;
    if (active[unit] === 0) {
      active[unit] = 1;
      reached.push(unit);
    }
    return true;
  };
  for (const unit of roots.units) if (reach(unit)) held[unit] = 1;
  for (const service of roots.services) {
    const pick = picks[service] ?? -1;
    if (reach(pick)) held[pick] = 1;
  }
  for (const unit of reached) {
    if (!follows(situation, unit)) continue;
    const { requires } = index;
    for (let e = requires.start(unit); e < requires.end(unit); e++) reach(picks[requires.item(e)] ?? -1);
  }
  return active;
}

/** Active unit → the active picks of what it requires. */
function askEdges(situation: Situation, picks: Int32Array, active: Uint8Array): Csr {
  const { requires, unitCount } = situation.index;
  const rows = new RowList();
  for (let unit = 0; unit < unitCount; unit++) {
    if (active[unit] === 1 && follows(situation, unit)) {
      for (let e = requires.start(unit); e < requires.end(unit); e++) {
        const pick = picks[requires.item(e)] ?? -1;
        if (pick >= 0 && active[pick] === 1) rows.add(pick);
      }
    }
    rows.endRow();
  }
  return rows.toCsr();
}

/**
 * The removed units that somebody still asks for and whose service has another viable provider: L of
 * docs/design/planning.md §5.1.
 */
function findReplaceable(situation: Situation, round: Membership): Map<number, SetAside> {
  const { index, roots } = situation;
  const { picks, removal, activated, members, viability } = round;
  const losers = new Map<number, SetAside>();
  const consider = (service: number): void => {
    const pick = picks[service] ?? -1;
    if (pick < 0 || activated[pick] === 0 || members[pick] === 1 || losers.has(pick)) return;
    const others = (viability.providerCount[service] ?? 0) - (viability.viable[pick] ?? 0);
    if (others > 0) losers.set(pick, { service, missing: lostNeed(index.needs.row(pick), removal, pick) });
  };
  for (const service of roots.services) consider(service);
  for (let unit = 0; unit < index.unitCount; unit++) {
    if (members[unit] === 0 || !follows(situation, unit)) continue;
    const { requires } = index;
    for (let e = requires.start(unit); e < requires.end(unit); e++) consider(requires.item(e));
  }
  return losers;
}

/** The need for which a unit was removed: the first written of those that had run out by then. */
export function lostNeed(needs: Uint32Array, removal: Dropped, unit: number): number {
  const level = removal.level[unit] ?? 0;
  return (
    needs.find((need) => {
      const ranOut = removal.groupLevel[need] ?? -1;
      return ranOut >= 0 && ranOut < level;
    }) ?? -1
  );
}

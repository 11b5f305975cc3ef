import { type Csr, RowList } from "./csr.js";
import { type Dropped, STAYED, type SupportGraph } from "./drop-unsupported.js";
import type { Situation } from "./situation.js";
import type { Viability } from "./viability.js";

/** Why a unit was set aside. */
export interface SetAside {
  readonly service: number;
  readonly missing: number;
}

/** Units that roots request, and units that those units require, without regard to needs. */
export interface Closure {
  readonly active: Uint8Array;
  /** The units that a root requests. */
  readonly held: Uint8Array;
}

/** The result of one round. */
export interface Round {
  readonly viability: Viability;
  /** Service → unit, or a negative number; see pick.ts. */
  readonly picks: Int32Array;
  /** Units of the {@link Closure}. */
  readonly activated: Uint8Array;
  readonly removal: Dropped;
}

/** The result of the last round. */
export interface Membership extends Round {
  /** Units that stay, including loaded ones if something requests them. */
  readonly members: Uint8Array;
  readonly setAside: ReadonlyMap<number, SetAside>;
}

/**
 * Decides which units are in the plan, in rounds (docs/design/planning.md §5.1).
 *
 * A round picks a provider for each service and closes the roots under `requires`. It drops units whose needs
 * have no provider, and units that only those required. The order of work does not matter, because picks are
 * fixed during a round. A dropped unit may be the pick of a unit that stays, while another viable provider
 * exists. The round sets such units aside and undoes all other removals. The next round picks again. Each
 * round is linear. There is another round only if this one sets aside one more unit.
 *
 * @param run makes one round without the set-aside units: unit → 1
 */
export function decideMembership(
  situation: Situation,
  run: (situation: Situation, setAside: Uint8Array) => Round,
): Membership {
  const setAside = new Map<number, SetAside>();
  const isSetAside = new Uint8Array(situation.index.unitCount);
  for (;;) {
    const round = run(situation, isSetAside);
    const membership = { ...round, members: stayed(round), setAside };
    const replaceable = findReplaceable(situation, membership);
    if (replaceable.size === 0) return membership;
    for (const [unit, loss] of replaceable) {
      setAside.set(unit, loss);
      isSetAside[unit] = 1;
    }
  }
}

function stayed({ activated, removal }: Round): Uint8Array {
  return activated.map((active, unit) => Number(active === 1 && removal.fate[unit] === STAYED));
}

/** The reasons that keep the units of a closure in the plan, and their needs. */
export function supportOf(situation: Situation, picks: Int32Array, { active, held }: Closure): SupportGraph {
  const { index, served, exempt } = situation;
  return {
    asks: () => askEdges(situation, picks, active),
    included: active,
    held,
    needers: index.needers,
    groups: index.provides,
    inexhaustible: served,
    exempt,
  };
}

/** Whether a unit also requests its requirements. */
function follows(situation: Situation, unit: number): boolean {
  return situation.followsLoaded || situation.loaded[unit] === 0;
}

/** The picks of the roots, closed under `requires`. A unit that is blocked or set aside brings no other unit in. */
export function closeRequirements(situation: Situation, picks: Int32Array, isSetAside: Uint8Array): Closure {
  const { index, roots, blocked, loaded } = situation;
  const active = new Uint8Array(index.unitCount);
  const held = new Uint8Array(index.unitCount);
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
  return { active, held };
}

/** Active unit → the active picks of its requirements. */
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
 * The removed units that remaining units request, and whose service has another viable provider: L of
 * docs/design/planning.md §5.1.
 */
function findReplaceable(situation: Situation, membership: Membership): Map<number, SetAside> {
  const { index, roots } = situation;
  const { picks, removal, activated, members, viability } = membership;
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

/** The need for which a unit was removed: the first written need that had no provider by then. */
export function lostNeed(needs: Uint32Array, removal: Dropped, unit: number): number {
  const level = removal.level[unit] ?? 0;
  return (
    needs.find((need) => {
      const ranOut = removal.groupLevel[need] ?? -1;
      return ranOut >= 0 && ranOut < level;
    }) ?? -1
  );
}

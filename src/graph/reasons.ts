import { rankSetHas } from "../units/index.js";
import { eachRequestedService } from "./requested-services.js";
import { serviceName, unitAt } from "./catalog-index.js";
import type { Csr } from "./csr.js";
import { unmetCondition } from "./facts.js";
import { pickedBy } from "./pick.js";
import { lostNeed, type Membership, type SetAside } from "./membership.js";
import { LOST_NEED } from "./drop-unsupported.js";
import { FREE, type Situation } from "./situation.js";
import type { Facts, Reason } from "./types.js";
import { NEVER } from "./viability.js";

/**
 * Why each unit outside a plan is left out: the one reason that comes first (docs/design/planning.md §5).
 *
 * The reason is a lost need if the need has no viable provider, or if the unit was removed after a request for the
 * unit. A unit that no other unit requested does not count as one that lacks a need. A unit that the round set aside
 * had viable providers for all its needs at that time. Later changes of these providers are not the reason.
 */
export class Reasons {
  readonly #situation: Situation;
  readonly #membership: Membership;
  readonly #facts: Facts;
  readonly #known: (Reason | undefined)[] = [];
  readonly #asked: Uint8Array;
  #requirers: Csr | undefined;

  constructor(situation: Situation, membership: Membership, facts: Facts) {
    this.#situation = situation;
    this.#membership = membership;
    this.#facts = facts;
    this.#asked = new Uint8Array(situation.index.serviceCount);
    eachRequestedService(situation, membership, (service) => {
      this.#asked[service] = 1;
    });
  }

  /** Whether a unit is neither planned nor running. */
  isLeftOut(unit: number): boolean {
    return this.#membership.members[unit] === 0 && this.#situation.loaded[unit] === 0;
  }

  /** Follows the chain of needs to its end and builds the reasons from there, because chains may be very long. */
  of(unit: number): Reason {
    const chain: { unit: number; need: string; culprit: number }[] = [];
    let current = unit;
    let reason: Reason | undefined;
    while (reason === undefined) {
      const need = this.#known[current] === undefined ? this.#lackingNeed(current) : -1;
      if (need < 0) {
        reason = this.#known[current] ?? this.#withoutNeed(current);
        this.#known[current] = reason;
        break;
      }
      const culprit = this.#membership.picks[need] ?? -1;
      const name = serviceName(this.#situation.index, need);
      if (culprit < 0) {
        reason = { kind: "need", need: name, because: undefined };
        this.#known[current] = reason;
        break;
      }
      chain.push({ unit: current, need: name, culprit });
      current = culprit;
    }
    for (const link of chain.reverse()) {
      reason = { kind: "need", need: link.need, because: { unit: this.#nameOf(link.culprit), reason } };
      this.#known[link.unit] = reason;
    }
    return reason;
  }

  /**
   * The service without a provider because of which a unit is left out, or -1. The levels ensure that the need was
   * lost before the unit was.
   */
  #lackingNeed(unit: number): number {
    const { index, blocked } = this.#situation;
    const { viability, removal, setAside } = this.#membership;
    if (blocked[unit] !== FREE || setAside.has(unit)) return -1;
    const needs = index.needs.row(unit);
    const level = viability.unitLevel[unit] ?? NEVER;
    if (level !== NEVER) {
      return needs.find((need) => (viability.serviceLevel[need] ?? NEVER) < level) ?? -1;
    }
    return removal.fate[unit] === LOST_NEED ? lostNeed(needs, removal, unit) : -1;
  }

  #withoutNeed(unit: number): Reason {
    const setAside = this.#membership.setAside.get(unit);
    return (
      (this.#situation.blocked[unit] === FREE ? undefined : this.#unusable(unit)) ??
      (setAside === undefined ? undefined : this.#setAside(setAside)) ??
      this.#otherProvider(unit) ?? { kind: "not-asked", requiredBy: this.#leftOutRequirers(unit) }
    );
  }

  #unusable(id: number): Reason | undefined {
    const { index } = this.#situation;
    const unit = unitAt(index, id);
    if (unit.disabled) return { kind: "disabled", by: index.catalog.originOf(unit.name, "disabled") };
    if (!rankSetHas(unit.ranks, this.#facts.rank)) {
      return { kind: "rank", ranks: unit.ranks.text, rank: this.#facts.rank };
    }
    return unmetCondition(unit, this.#facts);
  }

  #setAside({ service, missing }: SetAside): Reason {
    const { index } = this.#situation;
    const pick = this.#membership.picks[service] ?? -1;
    const server = [pick, ...index.providers.row(service)].find((unit) => unit >= 0 && !this.isLeftOut(unit));
    return {
      kind: "set-aside",
      service: serviceName(index, service),
      missing: serviceName(index, missing),
      servedBy: server === undefined ? undefined : this.#nameOf(server),
    };
  }

  #otherProvider(unit: number): Reason | undefined {
    const { index } = this.#situation;
    for (const service of index.provides.row(unit)) {
      const pick = this.#membership.picks[service] ?? -1;
      if (this.#asked[service] === 0 || pick < 0 || pick === unit || this.isLeftOut(pick)) continue;
      return {
        kind: "other-provider",
        service: serviceName(index, service),
        picked: this.#nameOf(pick),
        by: pickedBy(this.#situation, pick, unit),
      };
    }
    return undefined;
  }

  /** Left-out units that would have brought this one in, in load order. */
  #leftOutRequirers(unit: number): string[] {
    const { index } = this.#situation;
    const requirers = (this.#requirers ??= index.requires.reversed(index.serviceCount));
    const found = new Set<number>();
    for (const service of index.provides.row(unit)) {
      if (this.#membership.picks[service] !== unit) continue;
      for (const requirer of requirers.row(service)) {
        if (requirer !== unit && this.isLeftOut(requirer)) found.add(requirer);
      }
    }
    return [...found].sort((a, b) => a - b).map((id) => this.#nameOf(id));
  }

  #nameOf(unit: number): string {
    return unitAt(this.#situation.index, unit).name;
  }
}

import type { Catalog } from "../units/index.js";
import { type CatalogIndex, indexOf, isUnknown, unitAt, unitId, unitsNamed } from "./catalog-index.js";
import { isMeantFor } from "./facts.js";
import { indexLoaded, type LoadedIndex } from "./loaded.js";
import { pickProviders } from "./pick.js";
import {
  ABSENT,
  catalogChoices,
  type Choice,
  FREE,
  indexAlternatives,
  type Roots,
  type Situation,
  UNUSABLE,
} from "./situation.js";
import type { Facts, LoadedModule } from "./types.js";
import type { UnknownName } from "./request-names.js";
import { computeViability } from "./viability.js";

/** The inputs of the plan for a request, besides its own names. */
export interface SituationBasis {
  readonly catalog: Catalog;
  readonly facts: Facts;
  readonly loaded: readonly LoadedModule[];
  /** Names to force-enable. */
  readonly enabled: readonly string[];
}

/** A situation, and the invalid names that were found on the way to it. */
export interface RequestSituation {
  readonly situation: Situation;
  readonly unknown: readonly UnknownName[];
}

/**
 * rc1 and similar starts: leaves out every unusable unit, even if other units request it
 * (docs/design/planning.md §5).
 */
export function situationForStart(basis: SituationBasis, rootNames: readonly string[]): RequestSituation {
  const frame = new SituationBuilder(basis);
  const { index } = frame;
  const blocked = index.isTask.map((_, id) => (frame.isUsable(id) ? FREE : UNUSABLE));
  const roots = frame.roots(rootNames);
  return frame.build({ blocked, roots, followsLoaded: true });
}

/**
 * A start whose only root is one unit, which is in the plan despite its conditions and needs. Views show it for a
 * unit that the plan would leave out. The name stands for a unit first, else for a service and its pick.
 * @returns `isUsable`: whether the unit's own conditions are met
 */
export function situationForUnit(
  basis: SituationBasis,
  name: string,
): RequestSituation & { readonly root: number; readonly isUsable: boolean } {
  const { situation, unknown } = situationForStart(basis, [name]);
  const { index } = situation;
  const unit = unitId(index, name);
  const { viable } = computeViability(situation, new Uint8Array(index.unitCount));
  const service = index.serviceIds.get(name) ?? -1;
  const root = unit >= 0 ? unit : (pickProviders(situation, viable)[service] ?? -1);
  const blocked = situation.blocked.slice();
  const exempt = situation.exempt.slice();
  const isUsable = blocked[root] === FREE;
  if (root >= 0) {
    blocked[root] = FREE;
    exempt[root] = 1;
  }
  const roots = { units: root < 0 ? [] : [root], services: [] };
  return { root, isUsable, unknown, situation: { ...situation, blocked, exempt, roots } };
}

/** rc3: it loads no module. The running modules request no other unit (docs/design/planning.md §6). */
export function situationForStop(basis: SituationBasis, rootNames: readonly string[]): RequestSituation {
  const frame = new SituationBuilder(basis);
  const { index } = frame;
  const blocked = index.isTask.map((isTask, id) => {
    if (isTask === 0) return ABSENT;
    return frame.isUsable(id) ? FREE : UNUSABLE;
  });
  const roots = frame.roots(rootNames);
  return frame.build({ blocked, roots, followsLoaded: false });
}

/** An explicit load: the names that it gives, and those of them that are tasks, which cannot be loaded. */
export interface LoadSituation extends RequestSituation {
  readonly named: ReadonlySet<number>;
  readonly tasks: readonly string[];
}

/**
 * `load M…` (docs/design/planning.md §6): it loads the named units despite their conditions. Their requirements come
 * from providers whose rank and conditions are met; from disabled ones only if there is no other.
 */
export function situationForLoad(basis: SituationBasis, moduleNames: readonly string[]): LoadSituation {
  const frame = new SituationBuilder(basis);
  const { index } = frame;
  const units = moduleNames.map((name) => unitId(index, name)).filter((id) => id >= 0);
  const byUnit = frame.build(frame.loadTerms(new Set(units))).situation;
  const picks = pickProviders(byUnit, computeViability(byUnit, new Uint8Array(index.unitCount)).viable);
  const services = moduleNames.flatMap((name) => {
    if (unitId(index, name) >= 0) return [];
    if (frame.isUnprovided(name)) frame.reportUnknown(name);
    const pick = picks[index.serviceIds.get(name) ?? -1] ?? -1;
    return pick < 0 ? [] : [pick];
  });
  const named = new Set([...units, ...services]);
  const tasks = [...named].map((id) => unitAt(index, id)).filter((unit) => unit.kind === "task");
  return {
    ...frame.build(frame.loadTerms(named)),
    named,
    tasks: tasks.map(({ name }) => name),
  };
}

interface SituationTerms {
  readonly blocked: Uint8Array;
  readonly roots: Roots;
  readonly followsLoaded: boolean;
  readonly named?: ReadonlySet<number>;
  readonly lastResort?: Uint8Array;
  readonly choices?: readonly Choice[];
}

/** The common part of the three requests. */
class SituationBuilder {
  readonly index: CatalogIndex;
  readonly #facts: Facts;
  readonly #loaded: LoadedIndex;
  readonly #forced: Uint8Array;
  readonly #strangers: ReadonlySet<string>;
  readonly #unknown = new Set<string>();

  constructor({ catalog, facts, loaded, enabled }: SituationBasis) {
    this.index = indexOf(catalog);
    this.#facts = facts;
    this.#loaded = indexLoaded(this.index, loaded);
    this.#strangers = new Set(loaded.flatMap(({ name, services }) => [name, ...services]));
    this.#forced = new Uint8Array(this.index.unitCount);
    for (const name of enabled) {
      const units = unitsNamed(this.index, name);
      if (units.length === 0) this.reportUnknown(name);
      for (const unit of units) this.#forced[unit] = 1;
    }
  }

  /** usable(u) of docs/design/planning.md §3. */
  isUsable(id: number): boolean {
    if (this.index.unconditional[id] === 1 || this.#forced[id] === 1) return true;
    const unit = unitAt(this.index, id);
    return !unit.disabled && isMeantFor(unit, this.#facts);
  }

  /** Whether neither the catalog nor a running module provides a name. */
  isUnprovided(name: string): boolean {
    return isUnknown(this.index, name) && !this.#strangers.has(name);
  }

  reportUnknown(name: string): void {
    this.#unknown.add(name);
  }

  /**
   * A task is its own root. A request for a module is a request for the service of its name, which another module may
   * provide.
   */
  roots(names: readonly string[]): Roots {
    const units: number[] = [];
    const services: number[] = [];
    const seen = new Uint8Array(this.index.serviceCount);
    for (const name of names) {
      const service = this.index.serviceIds.get(name);
      if (service === undefined || this.index.providers.count(service) === 0) {
        if (!this.#strangers.has(name)) this.reportUnknown(name);
        continue;
      }
      if (seen[service] === 1) continue;
      seen[service] = 1;
      // Numbers above the units are services, and no tasks.
      (this.index.isTask[service] === 1 ? units : services).push(service);
    }
    return { units, services };
  }

  /** A named unit becomes the alternative for all its services. Later names override earlier ones. */
  loadTerms(named: ReadonlySet<number>): SituationTerms {
    const { unconditional, isTask, provides } = this.index;
    const isExpected = (id: number): boolean =>
      unconditional[id] === 1 || this.#forced[id] === 1 || named.has(id);
    const isMeant = (id: number): boolean =>
      isExpected(id) || isMeantFor(unitAt(this.index, id), this.#facts);
    const isLastResort = (id: number): boolean => !isExpected(id) && unitAt(this.index, id).disabled;
    return {
      blocked: isTask.map((_, id) => (isMeant(id) ? FREE : UNUSABLE)),
      lastResort: isTask.map((_, id) => Number(isLastResort(id))),
      choices: [...named].flatMap((unit) => [...provides.row(unit)].map((service) => ({ service, unit }))),
      roots: { units: [...named], services: [] },
      followsLoaded: true,
      named,
    };
  }

  build({
    blocked,
    roots,
    followsLoaded,
    named,
    lastResort,
    choices = [],
  }: SituationTerms): RequestSituation {
    const exempt = this.#loaded.units.slice();
    for (const unit of named ?? []) exempt[unit] = 1;
    return {
      unknown: Array.from(this.#unknown, (name) => ({ name, origin: undefined })),
      situation: {
        index: this.index,
        blocked,
        exempt,
        loaded: this.#loaded.units,
        served: this.#loaded.services,
        servedBy: this.#loaded.undeclared,
        lastResort: lastResort ?? new Uint8Array(this.index.unitCount),
        alternatives: indexAlternatives(this.index, [...catalogChoices(this.index), ...choices]),
        followsLoaded,
        roots,
      },
    };
  }
}

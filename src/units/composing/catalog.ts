import type { Origin } from "../../errors/index.js";
import type { DisableRequest } from "./composer.js";
import type { UnitDraft } from "./unit-draft.js";
import type { Reading } from "../fragment.js";
import type { Alternative, Catalog, Unit } from "../types.js";

/** The settings besides files. */
export interface ComposeOptions {
  /** Providers of services, over the ones of all fragments, e.g. of a flag `-S`. */
  readonly alternatives?: readonly Alternative[];
  /** Units, or services with all their providers, to disable when all other steps are done. */
  readonly disable?: readonly DisableRequest[];
}

/** The input of {@link composeSound}. */
export interface CatalogSources {
  readonly readings: readonly Reading[];
  readonly options: ComposeOptions;
}

/** The catalog that {@link compose} makes. Keeps the drafts, so that origins can be computed on demand. */
export class ComposedCatalog implements Catalog {
  /** The sources of the catalog, so that other fragments can be composed over it. */
  readonly sources: CatalogSources;
  readonly units: readonly Unit[];
  readonly alternatives: readonly Alternative[];
  readonly #drafts: ReadonlyMap<string, UnitDraft>;
  #byName: ReadonlyMap<string, Unit> | undefined;
  #providers: ReadonlyMap<string, readonly Unit[]> | undefined;

  constructor(
    drafts: ReadonlyMap<string, UnitDraft>,
    alternatives: readonly Alternative[],
    sources: CatalogSources,
  ) {
    this.sources = sources;
    this.#drafts = drafts;
    this.units = Array.from(drafts.values(), (draft) => draft.toUnit());
    this.alternatives = alternatives;
  }

  /** Computed at the first read, like {@link providers}, because a plan does not need them. */
  get byName(): ReadonlyMap<string, Unit> {
    return (this.#byName ??= new Map(this.units.map((unit) => [unit.name, unit])));
  }

  get providers(): ReadonlyMap<string, readonly Unit[]> {
    return (this.#providers ??= indexProviders(this.units));
  }

  /** The drafts of the units, in load order. */
  drafts(): Iterable<UnitDraft> {
    return this.#drafts.values();
  }

  originOf(unit: string, key: string, element?: string): Origin | undefined {
    return this.#drafts.get(unit)?.originOf(key, element);
  }
}

function indexProviders(units: readonly Unit[]): ReadonlyMap<string, readonly Unit[]> {
  const providers = new Map<string, Unit[]>();
  const add = (service: string, unit: Unit) => {
    const others = providers.get(service);
    if (others === undefined) providers.set(service, [unit]);
    // A unit may list a service twice, or its own name.
    else if (others.at(-1) !== unit) others.push(unit);
  };
  for (const unit of units) {
    add(unit.name, unit);
    for (const service of unit.provides) add(service, unit);
  }
  return providers;
}

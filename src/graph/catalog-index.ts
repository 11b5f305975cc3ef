import type { Catalog, Unit } from "../units/index.js";
import type { Csr } from "./csr.js";
import { RowList } from "./csr.js";

/** The name in `before` and `after` that means every other unit. */
export const WILDCARD = "*";

/**
 * A catalog in the form of integers. It numbers units by load order. It also numbers services. First come the names
 * of the units, so that service `i < unitCount` is the name of unit `i`. Then come the names that units provide, then
 * the names that they only mention.
 */
export interface CatalogIndex {
  readonly catalog: Catalog;
  readonly units: readonly Unit[];
  readonly unitCount: number;
  readonly serviceCount: number;
  readonly serviceNames: readonly string[];
  readonly serviceIds: ReadonlyMap<string, number>;
  readonly priorities: Float64Array;
  readonly isTask: Uint8Array;
  /** Units that are usable under any facts: enabled, on all ranks, without conditions. */
  readonly unconditional: Uint8Array;
  /** Unit → services, its own name first. As in all rows here, names are in the order written, without repeats. */
  readonly provides: Csr;
  /** Service → units, in load order. */
  readonly providers: Csr;
  /** Unit → services. */
  readonly requires: Csr;
  readonly needs: Csr;
  /** Service → units that need it. */
  readonly needers: Csr;
  /** Unit → services, without wildcards. */
  readonly after: Csr;
  readonly before: Csr;
  /** Units with `"*"`. */
  readonly afterAll: Uint8Array;
  readonly beforeAll: Uint8Array;
}

/** This computes the index once, because a catalog is immutable, and often many ranks plan with it. */
const indexes = new WeakMap<Catalog, CatalogIndex>();

export function indexOf(catalog: Catalog): CatalogIndex {
  const known = indexes.get(catalog);
  if (known !== undefined) return known;
  const index = buildIndex(catalog);
  indexes.set(catalog, index);
  return index;
}

function buildIndex(catalog: Catalog): CatalogIndex {
  const builder = new IndexBuilder(catalog.units);
  for (const unit of catalog.units) builder.add(unit);
  return builder.finish(catalog);
}

/** Reads each unit once, because with many units reading them from memory takes the time. */
class IndexBuilder {
  readonly #names: string[] = [];
  readonly #ids = new Map<string, number>();
  readonly #provides = new RowList();
  readonly #requires = new RowList();
  readonly #needs = new RowList();
  readonly #after = new RowList();
  readonly #before = new RowList();
  readonly #priorities: Float64Array;
  readonly #afterAll: Uint8Array;
  readonly #beforeAll: Uint8Array;
  readonly #isTask: Uint8Array;
  readonly #unconditional: Uint8Array;
  #added = 0;

  constructor(units: readonly Unit[]) {
    for (const unit of units) this.#idOf(unit.name);
    this.#priorities = new Float64Array(units.length);
    this.#afterAll = new Uint8Array(units.length);
    this.#beforeAll = new Uint8Array(units.length);
    this.#isTask = new Uint8Array(units.length);
    this.#unconditional = new Uint8Array(units.length);
  }

  add(unit: Unit): void {
    const id = this.#added++;
    this.#priorities[id] = unit.priority;
    this.#isTask[id] = Number(unit.kind === "task");
    this.#unconditional[id] = Number(isUnconditional(unit));
    this.#provides.add(id);
    this.#addRow(this.#provides, unit.provides);
    this.#addRow(this.#requires, unit.requires);
    this.#addRow(this.#needs, unit.needs);
    this.#afterAll[id] = this.#addRow(this.#after, unit.after);
    this.#beforeAll[id] = this.#addRow(this.#before, unit.before);
  }

  finish(catalog: Catalog): CatalogIndex {
    const serviceCount = this.#names.length;
    const [provides, requires, needs, after, before] = [
      this.#provides.toCsr().withoutRepeats(serviceCount),
      this.#requires.toCsr().withoutRepeats(serviceCount),
      this.#needs.toCsr().withoutRepeats(serviceCount),
      this.#after.toCsr().withoutRepeats(serviceCount),
      this.#before.toCsr().withoutRepeats(serviceCount),
    ];
    return {
      catalog,
      units: catalog.units,
      unitCount: catalog.units.length,
      serviceCount,
      serviceNames: this.#names,
      serviceIds: this.#ids,
      priorities: this.#priorities,
      isTask: this.#isTask,
      unconditional: this.#unconditional,
      provides,
      providers: provides.reversed(serviceCount),
      requires,
      needs,
      needers: needs.reversed(serviceCount),
      after,
      before,
      afterAll: this.#afterAll,
      beforeAll: this.#beforeAll,
    };
  }

  /** @returns 1 if the names include the wildcard, which gets no number */
  #addRow(rows: RowList, names: readonly string[]): 0 | 1 {
    let wildcard: 0 | 1 = 0;
    for (const name of names) {
      if (name === WILDCARD) wildcard = 1;
      else rows.add(this.#idOf(name));
    }
    rows.endRow();
    return wildcard;
  }

  #idOf(name: string): number {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const id = this.#names.length;
    this.#ids.set(name, id);
    this.#names.push(name);
    return id;
  }
}

/** Whether a unit is usable under any facts. */
function isUnconditional(unit: Unit): boolean {
  return (
    !unit.disabled &&
    unit.ranks.text === "all" &&
    unit.needsConfig.length === 0 &&
    unit.needsAttrs.length === 0 &&
    unit.needsEnv.length === 0
  );
}

/** The number of the unit of that name, or -1. */
export function unitId(index: CatalogIndex, name: string): number {
  const id = index.serviceIds.get(name);
  return id !== undefined && id < index.unitCount ? id : -1;
}

/** The units that a name stands for where it is read as a unit first: that unit, else every provider of the service. */
export function unitsNamed(index: CatalogIndex, name: string): number[] {
  const unit = unitId(index, name);
  if (unit >= 0) return [unit];
  const service = index.serviceIds.get(name);
  return service === undefined ? [] : [...index.providers.row(service)];
}

/** Whether no unit has this name or provides this service. */
export function isUnknown(index: CatalogIndex, name: string): boolean {
  const service = index.serviceIds.get(name);
  return service === undefined || index.providers.count(service) === 0;
}

/**
 * The unit of a number that came out of an index. The unit exists, because an index has a unit for each
 * number.
 */
export function unitAt(index: CatalogIndex, id: number): Unit {
  const unit = index.units[id];
  if (unit === undefined) throw new RangeError(`no unit ${id} in a catalog of ${index.unitCount}`);
  return unit;
}

export function serviceName(index: CatalogIndex, id: number): string {
  return index.serviceNames[id] ?? "";
}

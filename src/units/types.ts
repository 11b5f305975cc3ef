import type { Origin } from "../errors/index.js";
import type { PropertiesOf } from "./keys/keys.js";

export type * from "./values.js";

/** The common keys of modules and tasks (docs/design/planning.md §1). Lists keep the order of the file. */
interface UnitCommon extends PropertiesOf<"both"> {
  readonly name: string;
  /** Place in load order, 0 first; the index in {@link Catalog.units}. */
  readonly order: number;
}

/** A unit that a loader loads and that is removed later. */
export interface ModuleUnit extends UnitCommon, PropertiesOf<"module"> {
  readonly kind: "module";
  /** `thread` is set to `own`, rather than left to the attribute `broker.default-thread`. */
  readonly hasOwnThread?: true | undefined;
}

/**
 * A unit that runs once. A task of an rc file has code instead of a command. It has no run levels, because the file
 * names it.
 */
export interface TaskUnit extends UnitCommon, PropertiesOf<"task"> {
  readonly kind: "task";
}

export type Unit = ModuleUnit | TaskUnit;

/** A service and the unit that must provide it. The last one set for a service wins. */
export interface Alternative {
  readonly service: string;
  readonly unit: string;
  readonly origin: Origin;
}

/** All composed and validated units, in load order. Immutable. Made only by `compose`. */
export interface Catalog {
  readonly units: readonly Unit[];
  readonly byName: ReadonlyMap<string, Unit>;
  /**
   * The units with this name, or that provide this service, in load order. The map has an entry for every
   * unit name and service name.
   */
  readonly providers: ReadonlyMap<string, readonly Unit[]>;
  /** The alternative of each service, in the order in which the files set them. */
  readonly alternatives: readonly Alternative[];
  /** The origin of a key of a unit (in TOML spelling, such as `needs-config`), or of an element of a list. */
  originOf(unit: string, key: string, element?: string): Origin | undefined;
}

/** A value of a configuration file. */
export type ConfigValue = string | number | bigint | boolean | Date | readonly ConfigValue[] | ConfigTable;
export interface ConfigTable {
  readonly [key: string]: ConfigValue;
}

import type { Origin } from "../errors/index.js";

/**
 * A set of ranks as ascending, disjoint, inclusive ranges; never as an array of ranks.
 * `text` is what was written: `all`, an RFC 22 idset, `>N` or `<N`.
 */
export interface RankSet {
  readonly text: string;
  readonly ranges: readonly (readonly [low: number, high: number])[];
}

/** A condition on a configuration key, an attribute or an environment variable: `key`, or `!key` when negated. */
export interface Condition {
  readonly key: string;
  readonly negated: boolean;
}

/** What follows when a module fails after it was running (docs/design/modules.md §3). */
export type FailurePolicy = "panic" | "log" | "restart";

/** A phase in whose plan a declarative task is a root. */
export type Runlevel = "rc1" | "rc3";

/** What modules and tasks have in common (docs/design/planning.md §1). Lists are in the order written. */
interface UnitCommon {
  readonly name: string;
  readonly provides: readonly string[];
  readonly priority: number;
  readonly requires: readonly string[];
  readonly needs: readonly string[];
  readonly after: readonly string[];
  readonly before: readonly string[];
  readonly ranks: RankSet;
  readonly needsConfig: readonly Condition[];
  readonly needsAttrs: readonly Condition[];
  readonly needsEnv: readonly Condition[];
  readonly disabled: boolean;
  /** Longest time that a load, a task or a removal may take; undefined or Infinity = no limit. */
  readonly timeoutMs: number | undefined;
  /** `timeoutMs` as it was written, e.g. `30s`. */
  readonly timeoutText?: string | undefined;
  readonly description: string;
  /** Place in load order, 0 first; the index in {@link Catalog.units}. */
  readonly order: number;
}

/** Something an executor loads and later removes. */
export interface ModuleUnit extends UnitCommon {
  readonly kind: "module";
  /** What to load: a path (already absolute if it was relative to its file), a bare name, or `library#module`. */
  readonly module: string;
  readonly args: readonly string[];
  readonly exec: boolean;
  /** undefined = inferred from the file. */
  readonly loader: string | undefined;
  /** `own`, or the name of a thread group. */
  readonly thread: string;
  readonly memoryLimitBytes: number | undefined;
  /** `memoryLimitBytes` as it was written, e.g. `512MiB`. */
  readonly memoryLimitText?: string | undefined;
  readonly onFailure: FailurePolicy;
}

/** Something that runs once. */
export interface TaskUnit extends UnitCommon {
  readonly kind: "task";
  /** A shell line or an argv; undefined for a task of an rc file, which has code instead. */
  readonly command: string | readonly string[] | undefined;
  /** Phases in which the task is a root without being named; empty for tasks of rc files, which are named. */
  readonly runlevels: readonly Runlevel[];
}

export type Unit = ModuleUnit | TaskUnit;

/** A service and the unit that must provide it; the last one set for a service wins. */
export interface Alternative {
  readonly service: string;
  readonly unit: string;
  readonly origin: Origin;
}

/** All units as composed, validated and in load order. Immutable; made by `compose`. */
export interface Catalog {
  readonly units: readonly Unit[];
  readonly byName: ReadonlyMap<string, Unit>;
  /** Units that are named so or provide it, in load order. Has an entry for every unit name and service name. */
  readonly providers: ReadonlyMap<string, readonly Unit[]>;
  /** One a service, in the order in which the winning ones were set. */
  readonly alternatives: readonly Alternative[];
  /** What set a key of a unit (TOML spelling, e.g. `needs-config`); for list elements, what put that element there. */
  originOf(unit: string, key: string, element?: string): Origin | undefined;
}

/** A value of a configuration file. */
export type ConfigValue = string | number | bigint | boolean | Date | readonly ConfigValue[] | ConfigTable;
export interface ConfigTable {
  readonly [key: string]: ConfigValue;
}

import type { Condition, ExitPolicy, FailurePolicy, RankSet, Runlevel, Table } from "../values.js";

/** Kind of value → its type in a unit, where it is set. */
export interface UnitValues {
  strings: readonly string[];
  conditions: readonly Condition[];
  ranks: RankSet;
  integer: number;
  boolean: boolean;
  text: string;
  /** A text that is a path if it starts with `./` or `../`. In a unit, the path is absolute. */
  path: string;
  /** In a unit, in milliseconds; see {@link TextProperty} for the text. */
  duration: number;
  /** In a unit, in bytes; see {@link TextProperty} for the text. */
  size: number;
  policy: FailurePolicy;
  /** A shell line or an argv. */
  command: string | readonly string[];
  /** Names and their texts. */
  texts: Readonly<Record<string, string>>;
  probe: Table;
  stop: Table;
  limits: Table;
  restart: Table;
  exit: ExitPolicy;
  /** Names of signals, and statuses. */
  ends: readonly (string | number)[];
  runlevels: readonly Runlevel[];
}

/** How to read the value of a key, and its type in a unit. */
export type KeyKind = keyof UnitValues;

/** All properties of a key of units, other than `name`. */
export interface KeyRow {
  /** The key in the spelling of unit files. */
  readonly key: string;
  /**
   * What `apply` does where the key differs from the value that a module was loaded with
   * (docs/design/programs.md §3). `apply` loads the module again, changes the running module, or does nothing.
   */
  readonly change: "reload" | "in place" | "nothing";
  /** The units that have the key. */
  readonly on: "both" | "module" | "task";
  readonly kind: KeyKind;
  /**
   * `edit`: a list that `KEY+` and `KEY-` edit (docs/design/planning.md §2). `names`: a table that is merged name by
   * name.
   */
  readonly merge: "replace" | "edit" | "names";
  /** The default of the key; undefined: no default. */
  readonly default: unknown;
  /** Its property in a unit; for an option also in the JSON of a load. Quantities name their unit of measure. */
  readonly json: string;
  /** Whether only files can have the key, and no task with code. */
  readonly isOfFiles?: true;
  /** Whether it is a key of ordinary programs, which needs `command`. */
  readonly isOfPrograms?: true;
  /** Whether `module.load` passes it to the broker and the loader, as one of the `ModuleOptions`. */
  readonly isOption?: true;
}

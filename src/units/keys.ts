import { ALL_RANKS } from "./rank-set.js";
import type { Condition, ExitPolicy, FailurePolicy, RankSet, Runlevel, Table } from "./values.js";

/** Default of a key whose value is the unit's own name. */
export const OWN_NAME = Symbol("the name of the unit");

/** Kind of value → its type in a unit, where it is set. */
interface UnitValues {
  strings: readonly string[];
  conditions: readonly Condition[];
  ranks: RankSet;
  integer: number;
  boolean: boolean;
  text: string;
  /** A text that is a path if it starts with `./` or `../`; in a unit, absolute. */
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

/** How the value of a key is read, and what it is in a unit. */
export type KeyKind = keyof UnitValues;

/** All there is to know of a key of units, other than `name`. */
interface KeyRow {
  /** As unit files spell it. */
  readonly key: string;
  /** The units that have it. */
  readonly on: "both" | "module" | "task";
  readonly kind: KeyKind;
  /** `edit`: a list that `KEY+` and `KEY-` edit (docs/design/planning.md §2). `names`: a table, name by name. */
  readonly merge: "replace" | "edit" | "names";
  /** What a unit has where nothing sets the key; undefined: nothing. */
  readonly default: unknown;
  /** Its property in a unit; for an option also in the JSON of a load. Quantities name their unit of measure. */
  readonly json: string;
  /** Whether only files have it, and no task that has code. */
  readonly isOfFiles?: true;
  /** Whether it says something of an ordinary program, and goes with `command` only. */
  readonly isOfPrograms?: true;
  /** Whether `module.load` carries it to the broker and the loader, as one of the `ModuleOptions`. */
  readonly isOption?: true;
}

/**
 * The keys of units, in the order of docs/design/planning.md §1. Reading, composing, `show` and the options of rc files
 * follow this table; the schema and the options of a load are held to it by tests.
 */
export const UNIT_KEYS = [
  {
    key: "provides",
    on: "both",
    kind: "strings",
    merge: "edit",
    default: [],
    json: "provides",
    isOption: true,
  },
  { key: "priority", on: "both", kind: "integer", merge: "replace", default: 100, json: "priority" },
  { key: "requires", on: "both", kind: "strings", merge: "edit", default: [], json: "requires" },
  { key: "needs", on: "both", kind: "strings", merge: "edit", default: [], json: "needs" },
  { key: "after", on: "both", kind: "strings", merge: "edit", default: [], json: "after" },
  { key: "before", on: "both", kind: "strings", merge: "edit", default: [], json: "before" },
  { key: "ranks", on: "both", kind: "ranks", merge: "replace", default: ALL_RANKS, json: "ranks" },
  { key: "needs-config", on: "both", kind: "conditions", merge: "edit", default: [], json: "needsConfig" },
  { key: "needs-attrs", on: "both", kind: "conditions", merge: "edit", default: [], json: "needsAttrs" },
  { key: "needs-env", on: "both", kind: "conditions", merge: "edit", default: [], json: "needsEnv" },
  { key: "disabled", on: "both", kind: "boolean", merge: "replace", default: false, json: "disabled" },
  /** Longest time that a load, a task or a removal may take; Infinity is no limit. */
  { key: "timeout", on: "both", kind: "duration", merge: "replace", default: undefined, json: "timeoutMs" },
  { key: "description", on: "both", kind: "text", merge: "replace", default: "", json: "description" },
  /** A path, a bare name, or `library#module`. */
  { key: "module", on: "module", kind: "path", merge: "replace", default: OWN_NAME, json: "module" },
  { key: "args", on: "module", kind: "strings", merge: "edit", default: [], json: "args" },
  {
    key: "exec",
    on: "module",
    kind: "boolean",
    merge: "replace",
    default: false,
    json: "exec",
    isOption: true,
  },
  /** Without one it is inferred from the file. */
  {
    key: "loader",
    on: "module",
    kind: "path",
    merge: "replace",
    default: undefined,
    json: "loader",
    isOption: true,
  },
  {
    key: "thread",
    on: "module",
    kind: "text",
    merge: "replace",
    default: "own",
    json: "thread",
    isOption: true,
  },
  {
    key: "memory-limit",
    on: "module",
    kind: "size",
    merge: "replace",
    default: undefined,
    json: "memoryLimitBytes",
    isOption: true,
  },
  {
    key: "on-failure",
    on: "module",
    kind: "policy",
    merge: "replace",
    default: "panic",
    json: "onFailure",
    isOption: true,
  },
  {
    key: "watchdog",
    on: "module",
    kind: "duration",
    merge: "replace",
    default: undefined,
    json: "watchdogMs",
    isOption: true,
  },
  { key: "optional", on: "both", kind: "boolean", merge: "replace", default: false, json: "optional" },
  /** What a task runs once; what a module is that is an ordinary program. */
  {
    key: "command",
    on: "both",
    kind: "command",
    merge: "replace",
    default: undefined,
    json: "command",
    isOption: true,
    isOfFiles: true,
  },
  /** Of a module with `command`; where nothing sets it, the directory of the file that sets that. */
  {
    key: "directory",
    on: "module",
    kind: "path",
    merge: "replace",
    default: undefined,
    json: "directory",
    isOption: true,
    isOfPrograms: true,
  },
  {
    key: "environment",
    on: "module",
    kind: "texts",
    merge: "names",
    default: {},
    json: "environment",
    isOption: true,
    isOfPrograms: true,
  },
  {
    key: "unset",
    on: "module",
    kind: "strings",
    merge: "edit",
    default: [],
    json: "unset",
    isOption: true,
    isOfPrograms: true,
  },
  {
    key: "environment-file",
    on: "module",
    kind: "strings",
    merge: "edit",
    default: [],
    json: "environmentFile",
    isOption: true,
    isOfPrograms: true,
  },
  {
    key: "user",
    on: "module",
    kind: "text",
    merge: "replace",
    default: undefined,
    json: "user",
    isOption: true,
    isOfPrograms: true,
  },
  {
    key: "group",
    on: "module",
    kind: "text",
    merge: "replace",
    default: undefined,
    json: "group",
    isOption: true,
    isOfPrograms: true,
  },
  {
    key: "limits",
    on: "module",
    kind: "limits",
    merge: "replace",
    default: {},
    json: "limits",
    isOption: true,
    isOfPrograms: true,
  },
  {
    key: "output",
    on: "module",
    kind: "path",
    merge: "replace",
    default: "log",
    json: "output",
    isOption: true,
    isOfPrograms: true,
  },
  {
    key: "ready",
    on: "module",
    kind: "probe",
    merge: "replace",
    default: undefined,
    json: "ready",
    isOption: true,
    isOfPrograms: true,
  },
  {
    key: "alive",
    on: "module",
    kind: "probe",
    merge: "replace",
    default: undefined,
    json: "alive",
    isOption: true,
    isOfPrograms: true,
  },
  {
    key: "stop",
    on: "module",
    kind: "stop",
    merge: "replace",
    default: undefined,
    json: "stop",
    isOption: true,
    isOfPrograms: true,
  },
  {
    key: "on-exit",
    on: "module",
    kind: "exit",
    merge: "replace",
    default: "log",
    json: "onExit",
    isOption: true,
    isOfPrograms: true,
  },
  {
    key: "success",
    on: "module",
    kind: "ends",
    merge: "replace",
    default: [],
    json: "success",
    isOption: true,
    isOfPrograms: true,
  },
  /** Of every kind of module: the backoff of its restarts. */
  {
    key: "restart",
    on: "module",
    kind: "restart",
    merge: "replace",
    default: undefined,
    json: "restart",
    isOption: true,
  },
  /** Services after whose restart it is restarted. */
  {
    key: "follows",
    on: "module",
    kind: "strings",
    merge: "edit",
    default: [],
    json: "follows",
    isOption: true,
  },
  { key: "runlevels", on: "task", kind: "runlevels", merge: "edit", default: ["rc1"], json: "runlevels" },
] as const satisfies readonly KeyRow[];

/** One row of {@link UNIT_KEYS}. */
export type UnitKeyRow = (typeof UNIT_KEYS)[number];

/** A key of a unit other than its name, as unit files spell it. */
export type UnitKey = UnitKeyRow["key"];

/** A key whose value is a list that `KEY+` and `KEY-` edit. */
export type ListKey = Extract<UnitKeyRow, { merge: "edit" }>["key"];

/** The rows of a kind of unit, without those that both kinds have; or the rows of both. */
type RowsOn<On extends KeyRow["on"]> = Extract<UnitKeyRow, { on: On }>;

type UnitValue<Row extends UnitKeyRow> =
  UnitValues[Row["kind"]] | (Row["default"] extends undefined ? undefined : never);

/** A key in camelCase: `needs-attrs` → `needsAttrs`. */
export type CamelKey<Key extends string> = Key extends `${infer First}-${infer Rest}`
  ? `${First}${Capitalize<CamelKey<Rest>>}`
  : Key;

/** Where a unit has a quantity as it was written, e.g. `30s` in `timeoutText`. */
type TextProperty<Key extends string> = `${CamelKey<Key>}Text`;

const TEXT_PROPERTIES = new Map(UNIT_KEYS.map(({ key }) => [key, `${camelKey(key)}Text`]));

/** The property of a unit that has the text of a quantity. */
export function textPropertyOf(key: UnitKey): string {
  return TEXT_PROPERTIES.get(key) ?? "";
}

/** The properties that units have for their keys: of those that both kinds have, or that one has besides. */
export type PropertiesOf<On extends KeyRow["on"]> = {
  readonly [Row in RowsOn<On> as Row["json"]]: UnitValue<Row>;
} & {
  readonly [Row in Extract<RowsOn<On>, { kind: "duration" | "size" }> as TextProperty<Row["key"]>]?:
    string | undefined;
};

const ROWS: ReadonlyMap<string, UnitKeyRow> = new Map(UNIT_KEYS.map((row) => [row.key, row]));

/** The row of a key; undefined if no unit has the key. */
export function rowOf(key: UnitKey): UnitKeyRow;
export function rowOf(key: string): UnitKeyRow | undefined;
export function rowOf(key: string): UnitKeyRow | undefined {
  return ROWS.get(key);
}

/** The rows of a kind of unit, in the order of docs/design/planning.md §1. */
export function rowsOf(kind: "module" | "task"): UnitKeyRow[] {
  return UNIT_KEYS.filter(({ on }) => on === "both" || on === kind);
}

/** `needs-attrs` → `needsAttrs`. */
export function camelKey<Key extends string>(key: Key): CamelKey<Key> {
  return key.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase()) as CamelKey<Key>;
}

/** Whether a unit of this kind has the key. */
export function isKeyOf(kind: "module" | "task", key: UnitKey): boolean {
  const { on } = rowOf(key);
  return on === "both" || on === kind;
}

/** Whether a text is a key of units. */
export function isUnitKey(key: string): key is UnitKey {
  return ROWS.has(key);
}

/** `requires+` → append to `requires`; undefined if the key edits no list. */
export function listEditOf(key: string): { readonly key: ListKey; readonly op: "+" | "-" } | undefined {
  const op = key.at(-1);
  if (op !== "+" && op !== "-") return undefined;
  const row = rowOf(key.slice(0, -1));
  return row?.merge === "edit" ? { key: row.key, op } : undefined;
}

/** Words at the top of a unit file that are no names of units. */
const RESERVED: ReadonlySet<string> = new Set(["__proto__", "modules", "tasks", "alternatives", "libraries"]);

/** Whether a text may name a unit or a service (docs/design/planning.md §1); the same rule as `name` in the schema. */
export function isName(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_@:+-]{0,254}$/.test(text) && !RESERVED.has(text);
}

/** The rule in words, for hints. */
export const NAME_RULE =
  "names are letters, digits and _ @ : + -, start with a letter, digit or _, and have at most 255 bytes";

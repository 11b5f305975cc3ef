import {
  type Catalog,
  type ModuleUnit,
  optionsOf,
  rowsOf,
  type UnitKeyRow,
  withoutSecrets,
} from "../../units/index.js";
import type { KeyChange, RecordedModule } from "./apply-types.js";

const RELOAD = "reload";

/** The defaults of missing fields in tables (docs/design/programs.md §1); by the names of the payload. */
const TABLE_DEFAULTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  stop: { signal: "SIGTERM", timeoutMs: 10_000 },
  restart: { delayMs: 1000, longestMs: 60_000, tries: 5, withinMs: 600_000, then: "panic" },
};

/** The defaults of each probe that sends requests. */
const PROBE_DEFAULTS = { intervalMs: 1000, timeoutMs: 2000 };

/** Keys that choose the loader of the file. The name of the loader itself is more exact. */
const CHOOSE_LOADER: ReadonlySet<string> = new Set(["exec", "loader"]);

/**
 * The keys of a unit whose values differ in meaning from the values that its module was loaded with, in the order of
 * docs/design/planning.md §1. A default value that a file writes out makes no difference.
 */
export function keyChanges(unit: ModuleUnit, recorded: RecordedModule, catalog: Catalog): KeyChange[] {
  const options = optionsOf(unit);
  // A secret value stays secret even if the file no longer declares it as secret.
  const isSecret = unit.secret || recorded.options["secret"] === true;
  return rowsOf("module").flatMap((row) => {
    if (row.change === "nothing" || row.key === "module" || CHOOSE_LOADER.has(row.key)) return [];
    // A module without a unit has only its arguments.
    if (!recorded.isPlanned && row.key !== "args") return [];
    const from = row.key === "args" ? recorded.args : recorded.options[row.json];
    const to = wantedValue(row, unit, options);
    if (meaningOf(row, from) === meaningOf(row, to)) return [];
    const origin = catalog.originOf(unit.name, row.key)?.label;
    const shown = isSecret ? (value: unknown) => withoutSecrets(row.key, value) : (value: unknown) => value;
    return [{ key: row.key, from: shown(from), to: shown(to), origin, change: row.change }];
  });
}

/** The keys that choose a loader, if another loader than before takes the file. */
export function loaderChanges(unit: ModuleUnit, recorded: RecordedModule, catalog: Catalog): KeyChange[] {
  const changes = (["exec", "loader"] as const).flatMap((key): KeyChange[] => {
    const from = recorded.options[key];
    const to = unit[key];
    const isSame = (from ?? false) === (to ?? false);
    return isSame ? [] : [{ key, from, to, origin: catalog.originOf(unit.name, key)?.label, change: RELOAD }];
  });
  if (changes.length > 0) return changes;
  return [{ key: "loader", from: recorded.file.loader, to: undefined, origin: undefined, change: RELOAD }];
}

function wantedValue(row: UnitKeyRow, unit: ModuleUnit, options: Readonly<Record<string, unknown>>): unknown {
  if (row.key === "args") return unit.args;
  // JSON has no Infinity: a missing value means no limit.
  if (row.key === "timeout") return unit.timeoutMs === Infinity ? undefined : unit.timeoutMs;
  return options[row.json];
}

/** A text that is equal for values with the same meaning. */
function meaningOf(row: UnitKeyRow, value: unknown): string {
  const full = isTable(value) ? withDefaults(row, value) : value;
  if (full === undefined || full === null || isSameAs(full, row.default) || isEmpty(full)) return "";
  if (row.key === "ready" && canonical(full) === canonical({ started: true, ...PROBE_DEFAULTS })) return "";
  return canonical(full);
}

function withDefaults(row: UnitKeyRow, table: Readonly<Record<string, unknown>>): unknown {
  const defaults = row.kind === "probe" ? PROBE_DEFAULTS : TABLE_DEFAULTS[row.json];
  if (defaults === undefined) return table;
  const full: Record<string, unknown> = { ...defaults, ...table };
  if (row.key === "alive") full["failures"] ??= 3;
  return canonical(full) === canonical(defaults) ? undefined : full;
}

function isSameAs(value: unknown, standard: unknown): boolean {
  return standard !== undefined && canonical(value) === canonical(standard);
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON whose names are sorted at every depth. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isTable(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}

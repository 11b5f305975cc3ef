import { rowOf, rowsOf, textPropertyOf, type UnitKeyRow } from "./keys.js";
import type { Settings } from "./settings.js";
import { isTableKind } from "./table-fields.js";
import { tableOption } from "./tables.js";
import type { ModuleUnit, TaskUnit, Unit } from "./types.js";
import type { Condition, Table } from "./values.js";

/** What a unit of a kind has where nothing is set: a value for each of its keys. */
function defaultsOf(kind: Unit["kind"]): object {
  return Object.fromEntries(rowsOf(kind).map((row) => [row.json, row.default]));
}

const MODULE_DEFAULTS = defaultsOf("module");
const TASK_DEFAULTS = defaultsOf("task");

/** What settings make a unit of. */
export interface UnitParts {
  readonly name: string;
  /** Place in load order. */
  readonly order: number;
  readonly settings: Settings;
  /** Of the source that sets its command. */
  readonly directory?: string | undefined;
}

/** A module from what is set, with defaults for the rest. */
export function makeModule({ name, order, settings, directory }: UnitParts): ModuleUnit {
  return {
    kind: "module",
    name,
    order,
    ...MODULE_DEFAULTS,
    module: name,
    directory,
    ...valuesOf(settings),
  } as ModuleUnit;
}

/** A task from what is set, with defaults for the rest. */
export function makeTask({ name, order, settings }: UnitParts): TaskUnit {
  return { kind: "task", name, order, ...TASK_DEFAULTS, ...valuesOf(settings) } as TaskUnit;
}

/** What is set, by the properties of units. */
function valuesOf(settings: Settings): object {
  const values: Record<string, unknown> = {};
  for (const key in settings) {
    const row = rowOf(key);
    if (row !== undefined) addValue(values, row, settings);
  }
  return values;
}

function addValue(values: Record<string, unknown>, row: UnitKeyRow, settings: Settings): void {
  switch (row.kind) {
    case "conditions":
      values[row.json] = settings[row.key]?.map(toCondition);
      return;
    case "duration":
    case "size":
      values[row.json] = settings[row.key]?.value;
      values[textPropertyOf(row.key)] = settings[row.key]?.text;
      return;
    default:
      values[row.json] = settings[row.key];
  }
}

function toCondition(text: string): Condition {
  return text.startsWith("!") ? { key: text.slice(1), negated: true } : { key: text, negated: false };
}

/** A value of an option in the payload of a load. */
type OptionValue = string | number | boolean | readonly (string | number)[] | Table;

/**
 * The options of a module that `module.load` carries to the broker and the loader, by the names of its payload. What is
 * not set or empty, and a time without an end, is left out.
 */
export function optionsOf(unit: ModuleUnit): Readonly<Record<string, OptionValue>> {
  const options: Record<string, OptionValue> = {};
  for (const row of rowsOf("module")) {
    if (!("isOption" in row) || ("isOfPrograms" in row && unit.command === undefined)) continue;
    const value: OptionValue | undefined = unit[row.json];
    if (value === undefined || isEmpty(value)) continue;
    if (isTableKind(row.kind)) options[row.json] = tableOption(row.kind, value as Table);
    // JSON has no Infinity; 0 is no limit.
    else options[row.json] = value === Infinity ? 0 : value;
  }
  return options;
}

function isEmpty(value: OptionValue): boolean {
  return typeof value === "object" && Object.keys(value).length === 0;
}

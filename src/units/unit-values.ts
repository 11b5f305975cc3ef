import { rowOf, rowsOf, textPropertyOf, type UnitKeyRow } from "./keys/keys.js";
import type { Settings } from "./settings.js";
import { isTableKind } from "./table-fields.js";
import { tableOption } from "./tables.js";
import type { ModuleUnit, TaskUnit, Unit } from "./types.js";
import type { Condition, Table } from "./values.js";

/** A unit of a kind with all values unset: a value for each of its keys. A copy of an object takes little time. */
function emptyUnit(kind: Unit["kind"]): Writable {
  const values = rowsOf(kind).map((row) => [row.json, row.default] as const);
  return { kind, name: "", order: 0, ...Object.fromEntries(values) };
}

/** A unit under construction. */
type Writable = Record<string, unknown>;

const EMPTY_MODULE = emptyUnit("module");
const EMPTY_TASK = emptyUnit("task");

/** The values of a unit, from its settings. */
export interface UnitParts {
  readonly name: string;
  /** Place in load order. */
  readonly order: number;
  readonly settings: Settings;
  /** Directory of the source that sets its command. */
  readonly directory?: string | undefined;
}

/** A module from the set values, with defaults for the others. */
export function makeModule({ name, order, settings, directory }: UnitParts): ModuleUnit {
  const unit = { ...EMPTY_MODULE };
  unit["name"] = name;
  unit["order"] = order;
  unit["module"] = name;
  if (directory !== undefined) unit["directory"] = directory;
  addValues(unit, settings);
  if (settings.thread === "own") unit["hasOwnThread"] = true;
  return unit as object as ModuleUnit;
}

/** A task from the set values, with defaults for the others. */
export function makeTask({ name, order, settings }: UnitParts): TaskUnit {
  const unit = { ...EMPTY_TASK };
  unit["name"] = name;
  unit["order"] = order;
  addValues(unit, settings);
  return unit as object as TaskUnit;
}

/** Adds the set values, by the properties of units. */
function addValues(unit: Writable, settings: Settings): void {
  for (const key in settings) {
    const row = rowOf(key);
    if (row !== undefined) addValue(unit, row, settings);
  }
}

function addValue(values: Writable, row: UnitKeyRow, settings: Settings): void {
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
 * The options of a module that `module.load` passes to the broker and the loader, by the names of its payload. It
 * leaves out unset and empty values, and a time without an end.
 */
export function optionsOf(unit: ModuleUnit): Readonly<Record<string, OptionValue>> {
  const options: Record<string, OptionValue> = {};
  for (const row of rowsOf("module")) {
    if (!("isOption" in row) || ("isOfPrograms" in row && unit.command === undefined)) continue;
    const value: OptionValue | undefined = unit[row.json];
    if (value === undefined || isEmpty(value)) continue;
    if (isTableKind(row.kind)) options[row.json] = tableOption(row.kind, value as Table);
    // JSON has no Infinity; 0 means no limit.
    else options[row.json] = value === Infinity ? 0 : value;
  }
  return options;
}

function isEmpty(value: OptionValue): boolean {
  return typeof value === "object" && Object.keys(value).length === 0;
}

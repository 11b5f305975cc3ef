import { rowOf, rowsOf, textPropertyOf, type UnitKeyRow } from "./keys.js";
import type { Settings } from "./settings.js";
import type { ModuleUnit, TaskUnit, Unit } from "./types.js";
import type { Condition } from "./values.js";

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
}

/** A module from what is set, with defaults for the rest. */
export function makeModule({ name, order, settings }: UnitParts): ModuleUnit {
  return {
    kind: "module",
    name,
    order,
    ...MODULE_DEFAULTS,
    module: name,
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

/**
 * The options of a module that `module.load` carries to the broker and the loader, by the names of its payload. What is
 * not set, and a time without an end, is left out.
 */
export function optionsOf(unit: ModuleUnit): Readonly<Record<string, string | number | boolean>> {
  const options: Record<string, string | number | boolean> = {};
  for (const row of rowsOf("module")) {
    if (!("isOption" in row)) continue;
    const value = unit[row.json];
    // JSON has no Infinity; 0 is no limit.
    if (value !== undefined) options[row.json] = value === Infinity ? 0 : value;
  }
  return options;
}

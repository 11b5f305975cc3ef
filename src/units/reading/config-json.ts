import { toConfigTable } from "./config-value.js";
import type { ConfigTable, ConfigValue } from "../types.js";

/** A value of a configuration in JSON. */
export type ConfigJson = string | number | boolean | readonly ConfigJson[] | ConfigJsonTable;
export interface ConfigJsonTable {
  readonly [key: string]: ConfigJson;
}

/** A configuration in JSON: dates become ISO text, integers beyond the safe ones decimal text. */
export function configToJson(table: ConfigTable): ConfigJsonTable {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, valueToJson(value)]));
}

/** A configuration that came as JSON, such as a broker's. A null counts as unset. */
export function configFromJson(json: Readonly<Record<string, unknown>>): ConfigTable {
  return toConfigTable(json, []);
}

/** The recursion has a bound, because readers of configuration refuse deep nesting. */
function valueToJson(value: ConfigValue): ConfigJson {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (typeof value !== "object") return value;
  if (value instanceof Date) return value.toISOString();
  return isList(value) ? value.map(valueToJson) : configToJson(value);
}

function isList(value: readonly ConfigValue[] | ConfigTable): value is readonly ConfigValue[] {
  return Array.isArray(value);
}

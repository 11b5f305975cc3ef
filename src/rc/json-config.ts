import type { JsonValue } from "../messages/index.js";
import type { ConfigTable, ConfigValue } from "../units/index.js";
import type { JsonObject } from "./host-protocol.js";

/** Configuration as JSON: dates become ISO text, integers beyond the safe ones the nearest number. */
export function jsonConfig(table: ConfigTable): JsonObject {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, jsonValue(value)]));
}

/** Recursion is bounded: readers of configuration refuse deep nesting. */
function jsonValue(value: ConfigValue): JsonValue {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object") return value;
  if (value instanceof Date) return value.toISOString();
  return isList(value) ? value.map(jsonValue) : jsonConfig(value);
}

function isList(value: readonly ConfigValue[] | ConfigTable): value is readonly ConfigValue[] {
  return Array.isArray(value);
}

import { isTable, type Problem } from "../problems.js";
import type { Path } from "../source.js";
import { typeName } from "../text.js";
import type { ConfigTable, ConfigValue } from "../types.js";

/** The limit of nesting, so that code may recurse over a configuration. */
const DEPTH_LIMIT = 100;

/** A table under construction. It has no prototype, so that all keys are ordinary. */
type Fresh = Record<string, ConfigValue>;

/**
 * The value at a dotted key (docs/design/planning.md §3): `a.b.c` means key `c` of table `b` of table `a`. A key
 * below a value that is no table is unset.
 */
export function configGet(table: ConfigTable, key: string): ConfigValue | undefined {
  let value: ConfigValue | undefined = table;
  for (const part of key.split(".")) {
    if (!isConfigTable(value) || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}

/** Whether a value of a configuration is a table. */
export function isConfigTable(value: ConfigValue | undefined): value is ConfigTable {
  return isTable(value);
}

/** Lays one configuration over another: it merges tables key by key, and replaces other values. */
export function mergeConfig(below: ConfigTable, above: ConfigTable): ConfigTable {
  const merged = fresh(below);
  for (const [key, value] of Object.entries(above)) {
    const before = merged[key];
    merged[key] = isConfigTable(before) && isConfigTable(value) ? mergeConfig(before, value) : value;
  }
  return merged;
}

/**
 * A document as a configuration. Null means that a key is unset.
 * @param problems gets the problem of each invalid value
 */
export function toConfigTable(root: unknown, problems: Problem[]): ConfigTable {
  if (isTable(root)) return readTable(root, [], problems);
  problems.push(refusal(`a configuration must be a table, not ${typeName(root)}`, []));
  return fresh();
}

function readTable(table: Readonly<Record<string, unknown>>, path: Path, problems: Problem[]): ConfigTable {
  const read = fresh();
  for (const [key, value] of Object.entries(table)) {
    if (value === null) continue;
    const known = readValue(value, [...path, key], problems);
    if (known !== undefined) read[key] = known;
  }
  return read;
}

function readValue(value: unknown, path: Path, problems: Problem[]): ConfigValue | undefined {
  if (path.length > DEPTH_LIMIT) {
    problems.push(refusal("nested too deeply", path.slice(0, 2)));
    return undefined;
  }
  switch (typeof value) {
    case "string":
    case "number":
    case "boolean":
    case "bigint":
      return value;
    default:
      break;
  }
  if (value instanceof Date) return value;
  if (Array.isArray(value)) {
    const elements = value.map((element, index) => readValue(element, [...path, index], problems));
    return elements.filter((element) => element !== undefined);
  }
  if (isTable(value)) return readTable(value, path, problems);
  problems.push(refusal(`${typeName(value)} is not allowed as a configuration value`, path));
  return undefined;
}

function refusal(message: string, path: Path): Problem {
  return { code: "BROKER_CONFIG", message, path, part: "value" };
}

function fresh(from?: ConfigTable): Fresh {
  return Object.assign(Object.create(null) as Fresh, from);
}

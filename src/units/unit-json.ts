import { rowsOf, textPropertyOf, type UnitKeyRow } from "./keys/keys.js";
import { withoutSecrets } from "./secrets.js";
import type { Unit } from "./types.js";
import type { Condition, RankSet, Table } from "./values.js";

/** A value of {@link UnitJson}. */
export type UnitJsonValue = string | number | boolean | null | readonly (string | number)[] | Table;

/** A unit as plain data: every key of its kind, in the spelling of unit files. */
export type UnitJson = Readonly<Record<string, UnitJsonValue>>;

/** The keys that `show` prints first, after the name. */
const FIRST_KEYS: readonly string[] = ["module", "ranks"];

const MODULE_ROWS = inOrderShown("module");
const TASK_ROWS = inOrderShown("task");

function inOrderShown(kind: Unit["kind"]): UnitKeyRow[] {
  const isFirst = ({ key }: UnitKeyRow): boolean => FIRST_KEYS.includes(key);
  const rows = rowsOf(kind);
  const first = FIRST_KEYS.flatMap((key) => rows.filter((row) => row.key === key));
  return [...first, ...rows.filter((row) => !isFirst(row))];
}

/**
 * A unit in the form of `modprobe show` (docs/design/cli.md §2). `name`, `module` and `ranks` come first,
 * then the other keys in the order of docs/design/planning.md §1. Conditions, ranks and quantities have the
 * text of unit files. A key without a value is null. The form hides secret values. Only modules with
 * `command` have the keys of ordinary programs.
 */
export function unitToJson(unit: Unit): UnitJson {
  const values = new Map<string, unknown>(Object.entries(unit));
  const json: Record<string, UnitJsonValue> = { name: unit.name };
  for (const row of unit.kind === "module" ? MODULE_ROWS : TASK_ROWS) {
    if (unit.kind === "module" && unit.command === undefined && isOfPrograms(row)) continue;
    const value = values.get(row.json);
    const shown = unit.secret ? withoutSecrets(row.key, value) : value;
    json[row.key] = valueToJson(row, shown, values.get(textPropertyOf(row.key)));
  }
  return json;
}

/** The keys of ordinary programs, which other modules do not have. */
function isOfPrograms(row: UnitKeyRow): boolean {
  return "isOfPrograms" in row || row.key === "command";
}

/** @param text the text of a quantity in its file */
function valueToJson({ kind }: UnitKeyRow, value: unknown, text: unknown): UnitJsonValue {
  if (value === undefined) return null;
  switch (kind) {
    case "conditions":
      return (value as readonly Condition[]).map(conditionText);
    case "ranks":
      return (value as RankSet).text;
    case "duration":
    case "size":
      return typeof text === "string" ? text : quantityText(value as number, kind === "size" ? "B" : "ms");
    default:
      return value as UnitJsonValue;
  }
}

function conditionText({ key, negated }: Condition): string {
  return negated ? `!${key}` : key;
}

/** The text for a unit without a written quantity. */
function quantityText(value: number, unit: string): string {
  return value === Infinity ? "infinity" : `${value}${unit}`;
}

import type { KeyRow, UnitValues } from "./key-row.js";
import { UNIT_KEYS } from "./unit-keys.js";

/** One row of {@link UNIT_KEYS}. */
export type UnitKeyRow = (typeof UNIT_KEYS)[number];

/** A key of a unit other than its name, in the spelling of unit files. */
export type UnitKey = UnitKeyRow["key"];

/** A key whose value is a list that `KEY+` and `KEY-` edit. */
export type ListKey = Extract<UnitKeyRow, { merge: "edit" }>["key"];

/** The rows of a kind of unit, without the rows that both kinds have; or the rows of both. */
type RowsOn<On extends KeyRow["on"]> = Extract<UnitKeyRow, { on: On }>;

type UnitValue<Row extends UnitKeyRow> =
  UnitValues[Row["kind"]] | (Row["default"] extends undefined ? undefined : never);

/** A key in camelCase: `needs-attrs` → `needsAttrs`. */
export type CamelKey<Key extends string> = Key extends `${infer First}-${infer Rest}`
  ? `${First}${Capitalize<CamelKey<Rest>>}`
  : Key;

/** The property with the text of a unit's quantity, e.g. `30s` in `timeoutText`. */
type TextProperty<Key extends string> = `${CamelKey<Key>}Text`;

const TEXT_PROPERTIES = new Map(UNIT_KEYS.map(({ key }) => [key, `${camelKey(key)}Text`]));

/** The property of a unit that has the text of a quantity. */
export function textPropertyOf(key: UnitKey): string {
  return TEXT_PROPERTIES.get(key) ?? "";
}

/**
 * The properties of units for their keys: for the keys that both kinds have, or for the keys that only one kind has.
 */
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

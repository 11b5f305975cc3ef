import { resolve } from "node:path";
import type { ErrorCode } from "../errors/index.js";
import type { KeyKind } from "./keys/key-row.js";
import { listEditOf, type ListKey, rowOf, type UnitKey, type UnitKeyRow } from "./keys/keys.js";
import { UNIT_KEYS } from "./keys/unit-keys.js";
import type { UpdateTable } from "./generated/tables.js";
import { isTable, nulProblem, type Problem } from "./problems.js";
import { parseDuration, parseSize, type Quantity } from "./quantity.js";
import { type Parsed, parseRankSet } from "./rank-set.js";
import type { Path, Source } from "./source.js";
import { isTableKind } from "./table-fields.js";
import { endProblems, tableProblems } from "./tables.js";
import type { ExitPolicy, FailurePolicy, RankSet, Runlevel, Table } from "./values.js";

/** Kind of value → the type of the value in the settings of a table. */
interface SettingValues {
  strings: readonly string[];
  conditions: readonly string[];
  ranks: RankSet;
  integer: number;
  boolean: boolean;
  text: string;
  path: string;
  duration: Quantity;
  size: Quantity;
  policy: FailurePolicy;
  command: string | readonly string[];
  runlevels: readonly Runlevel[];
  texts: Readonly<Record<string, string>>;
  probe: Table;
  stop: Table;
  limits: Table;
  restart: Table;
  exit: ExitPolicy;
  ends: readonly (string | number)[];
}

/** The keys that a table sets, with their values, in the spelling and order of the unit file. */
export type Settings = {
  readonly [Row in UnitKeyRow as Row["key"]]?: SettingValues[Row["kind"]];
};

/** A change to a list: `+` adds missing elements, `-` removes elements, `append` adds elements in any case. */
export interface ListEdit {
  readonly key: ListKey;
  readonly op: "+" | "-" | "append";
  readonly items: readonly string[];
}

/** The settings of one table, and their places. */
export interface Setting {
  readonly source: Source;
  /** The table's place in its source. */
  readonly path: Path;
  readonly settings: Settings;
  readonly edits: readonly ListEdit[];
}

const NO_EDITS: readonly ListEdit[] = [];

/**
 * Reads a table that satisfies its schema.
 * @param problems receives problems that the schema cannot express
 */
export function readSetting(table: UpdateTable, source: Source, path: Path, problems: Problem[]): Setting {
  const settings: Record<string, unknown> = {};
  const place = { source, path, problems };
  let edits: ListEdit[] | undefined;
  for (const name in table) {
    const row = rowOf(name);
    if (row !== undefined) {
      const value = readValue(row, table[row.key], place);
      if (value !== undefined) settings[name] = value;
    } else if (name !== "name") edits = readEdit(table, name, path, problems, edits);
  }
  // Each value is of the kind of its row, because the schema and readValue check that.
  return { source, path, settings, edits: edits ?? NO_EDITS };
}

/** The place of a value, and the list for its problems. */
interface ValuePlace {
  readonly source: Source;
  /** The table's place in its source. */
  readonly path: Path;
  readonly problems: Problem[];
}

function readValue({ key, kind }: UnitKeyRow, value: unknown, place: ValuePlace): unknown {
  const nul = placeOfNul(value);
  if (nul !== undefined) {
    place.problems.push(nulProblem(key, [...place.path, key, ...nul]));
    return undefined;
  }
  if (isTableKind(kind) && value !== undefined) {
    const found = tableProblems(kind, key, value as Table, [...place.path, key]);
    place.problems.push(...found);
    return found.length === 0 ? value : undefined;
  }
  if (kind === "ends") {
    place.problems.push(...endProblems(key, value as readonly (string | number)[], [...place.path, key]));
  }
  // The parser's arrays have spare room, five times the size that most lists need.
  if (Array.isArray(value)) return value.slice();
  if (typeof value !== "string") return value;
  if (kind === "path") return resolvePath(value, place.source);
  return isTextKind(kind) ? readText(TEXT_RULES[kind], key, value, place) : value;
}

/** Where in a value a text with a NUL character is. */
function placeOfNul(value: unknown): Path | undefined {
  if (typeof value === "string") return value.includes("\0") ? [] : undefined;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const inside = placeOfNul(value[at]);
      if (inside !== undefined) return [at, ...inside];
    }
  } else if (isTable(value)) {
    for (const key in value) {
      const inside = key.includes("\0") ? [] : placeOfNul(value[key]);
      if (inside !== undefined) return [key, ...inside];
    }
  }
  return undefined;
}

/** The settings of a table, applied over earlier settings. Its list edits come last. */
export function applySetting(before: Settings, { settings, edits }: Setting): Settings {
  let after: Settings = { ...before, ...settings };
  if (before.environment !== undefined && settings.environment !== undefined) {
    after = { ...after, environment: { ...before.environment, ...settings.environment } };
  }
  for (const edit of edits) after = { ...after, [edit.key]: editList(after[edit.key] ?? [], edit) };
  return after;
}

function editList(list: readonly string[], { op, items }: ListEdit): readonly string[] {
  switch (op) {
    case "append":
      return [...list, ...items];
    case "+": {
      const there = new Set(list);
      return [...list, ...new Set(items.filter((item) => !there.has(item)))];
    }
    case "-": {
      const gone = new Set(items);
      return list.filter((item) => !gone.has(item));
    }
  }
}

/** Keys that a table sets or edits. The keys that it sets come in the order of docs/design/planning.md §1. */
export function keysSetBy({ settings, edits }: Setting): UnitKey[] {
  return [...keysOf(settings), ...edits.map((edit) => edit.key)];
}

function keysOf(settings: Settings): UnitKey[] {
  return UNIT_KEYS.map(({ key }) => key).filter((key) => settings[key] !== undefined);
}

/** The rules for a text beyond its schema. */
interface TextRule {
  readonly code: ErrorCode;
  readonly parse: (text: string) => Parsed<RankSet | Quantity>;
  readonly hint: string;
}

/** The kinds whose text stands for another value. */
type TextKind = "ranks" | "duration" | "size";

const TEXT_RULES: Readonly<Record<TextKind, TextRule>> = {
  ranks: {
    code: "UNIT_INVALID_RANKS",
    parse: parseRankSet,
    hint: 'e.g. "all", "0", "0-3,7", ">0" or "<4"',
  },
  duration: {
    code: "UNIT_INVALID_DURATION",
    parse: parseDuration,
    hint: 'e.g. "30s", "500ms" or "infinity"',
  },
  size: { code: "UNIT_INVALID_SIZE", parse: parseSize, hint: 'e.g. "512MiB"' },
};

function isTextKind(kind: KeyKind): kind is TextKind {
  return Object.hasOwn(TEXT_RULES, kind);
}

function readText(
  { code, parse, hint }: TextRule,
  key: UnitKey,
  text: string,
  { path, problems }: ValuePlace,
): RankSet | Quantity | undefined {
  const parsed = parse(text);
  if (parsed.ok) return parsed.value;
  problems.push({ code, message: parsed.message, path: [...path, key], part: "value", hint });
  return undefined;
}

/** A path that starts with `./` or `../` is relative to the file that contains it (docs/design/planning.md §1). */
function resolvePath(path: string, { directory }: Source): string {
  if (directory === undefined) return path;
  return /^\.\.?\//.test(path) ? resolve(directory, path) : path;
}

/** The edits of a table so far, with the edit that a name in it makes. */
function readEdit(
  table: UpdateTable,
  name: string,
  path: Path,
  problems: Problem[],
  edits: ListEdit[] = [],
): ListEdit[] {
  const edit = listEditOf(name);
  if (edit === undefined) return edits;
  const { key, op } = edit;
  if (table[key] !== undefined) {
    problems.push({
      code: "UNIT_LIST_EDIT_CONFLICT",
      message: `cannot use '${name}' and '${key}' in one table`,
      path: [...path, name],
      part: "key",
    });
  }
  edits.push({ key, op, items: table[`${key}${op}`] ?? [] });
  return edits;
}

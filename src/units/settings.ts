import { resolve } from "node:path";
import type { ErrorCode } from "../errors/index.js";
import { listEditOf, type ListKey, type UnitKey } from "./keys.js";
import type { UpdateTable } from "./generated/tables.js";
import type { Problem } from "./problems.js";
import { parseDuration, parseSize, type Quantity } from "./quantity.js";
import { type Parsed, parseRankSet } from "./rank-set.js";
import type { Path, Source } from "./source.js";
import type { FailurePolicy, RankSet, Runlevel } from "./types.js";

/** The keys that a table sets, in our own types; undefined = not set there. Keys are spelled as in unit files. */
export interface Settings {
  readonly provides: readonly string[] | undefined;
  readonly priority: number | undefined;
  readonly requires: readonly string[] | undefined;
  readonly needs: readonly string[] | undefined;
  readonly after: readonly string[] | undefined;
  readonly before: readonly string[] | undefined;
  readonly ranks: RankSet | undefined;
  readonly "needs-config": readonly string[] | undefined;
  readonly "needs-attrs": readonly string[] | undefined;
  readonly "needs-env": readonly string[] | undefined;
  readonly disabled: boolean | undefined;
  readonly timeout: Quantity | undefined;
  readonly description: string | undefined;
  readonly module: string | undefined;
  readonly args: readonly string[] | undefined;
  readonly exec: boolean | undefined;
  readonly loader: string | undefined;
  readonly thread: string | undefined;
  readonly "memory-limit": Quantity | undefined;
  readonly "on-failure": FailurePolicy | undefined;
  readonly command: string | readonly string[] | undefined;
  readonly runlevels: readonly Runlevel[] | undefined;
}

/** A change to a list: `+` adds what is not there, `-` takes away, `append` adds whatever is there. */
export interface ListEdit {
  readonly key: ListKey;
  readonly op: "+" | "-" | "append";
  readonly items: readonly string[];
}

/** What one table says, and where it says it. */
export interface Setting {
  readonly source: Source;
  /** Of the table in its source. */
  readonly path: Path;
  readonly settings: Settings;
  readonly edits: readonly ListEdit[];
}

const NO_EDITS: readonly ListEdit[] = [];

/**
 * Reads a table that satisfies its schema.
 * @param problems gets what the schema cannot say
 */
export function readSetting(table: UpdateTable, source: Source, path: Path, problems: Problem[]): Setting {
  return {
    source,
    path,
    settings: {
      provides: table.provides,
      priority: table.priority,
      requires: table.requires,
      needs: table.needs,
      after: table.after,
      before: table.before,
      ranks: readText(RANKS, table.ranks, path, problems),
      "needs-config": table["needs-config"],
      "needs-attrs": table["needs-attrs"],
      "needs-env": table["needs-env"],
      disabled: table.disabled,
      timeout: readText(TIMEOUT, table.timeout, path, problems),
      description: table.description,
      module: resolvePath(table.module, source),
      args: table.args,
      exec: table.exec,
      loader: resolvePath(table.loader, source),
      thread: table.thread,
      "memory-limit": readText(MEMORY_LIMIT, table["memory-limit"], path, problems),
      "on-failure": table["on-failure"],
      command: table.command,
      runlevels: table.runlevels,
    },
    edits: readEdits(table, path, problems),
  };
}

/** Nothing set: what lays below the first table of a unit, and what programmatic settings start from. */
export const NO_SETTINGS: Settings = {
  provides: undefined,
  priority: undefined,
  requires: undefined,
  needs: undefined,
  after: undefined,
  before: undefined,
  ranks: undefined,
  "needs-config": undefined,
  "needs-attrs": undefined,
  "needs-env": undefined,
  disabled: undefined,
  timeout: undefined,
  description: undefined,
  module: undefined,
  args: undefined,
  exec: undefined,
  loader: undefined,
  thread: undefined,
  "memory-limit": undefined,
  "on-failure": undefined,
  command: undefined,
  runlevels: undefined,
};

/** What a table sets, laid over what was set before it; its list edits come last. */
export function applySetting(before: Settings, { settings, edits }: Setting): Settings {
  const set = Object.entries(settings).filter(([, value]) => value !== undefined);
  let after: Settings = { ...before, ...Object.fromEntries(set) };
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

/** Keys that a table sets or edits. */
export function keysSetBy({ settings, edits }: Setting): UnitKey[] {
  const keys = Object.keys(settings) as UnitKey[];
  return [...keys.filter((key) => settings[key] !== undefined), ...edits.map((edit) => edit.key)];
}

/** What the text of a key must be, that a schema cannot say. */
interface TextRule<T> {
  readonly key: UnitKey;
  readonly code: ErrorCode;
  readonly parse: (text: string) => Parsed<T>;
  readonly hint: string;
}

const RANKS: TextRule<RankSet> = {
  key: "ranks",
  code: "UNIT_INVALID_RANKS",
  parse: parseRankSet,
  hint: 'e.g. "all", "0", "0-3,7", ">0" or "<4"',
};
const TIMEOUT: TextRule<Quantity> = {
  key: "timeout",
  code: "UNIT_INVALID_DURATION",
  parse: parseDuration,
  hint: 'e.g. "30s", "500ms" or "infinity"',
};
const MEMORY_LIMIT: TextRule<Quantity> = {
  key: "memory-limit",
  code: "UNIT_INVALID_SIZE",
  parse: parseSize,
  hint: 'e.g. "512MiB"',
};

function readText<T>(
  rule: TextRule<T>,
  text: string | undefined,
  path: Path,
  problems: Problem[],
): T | undefined {
  if (text === undefined) return undefined;
  const parsed = rule.parse(text);
  if (parsed.ok) return parsed.value;
  const { code, key, hint } = rule;
  problems.push({ code, message: parsed.message, path: [...path, key], part: "value", hint });
  return undefined;
}

/** A path that starts with `./` or `../` is relative to the file that says it (docs/design/planning.md §1). */
function resolvePath(path: string | undefined, { directory }: Source): string | undefined {
  if (path === undefined || directory === undefined) return path;
  return /^\.\.?\//.test(path) ? resolve(directory, path) : path;
}

function readEdits(table: UpdateTable, path: Path, problems: Problem[]): readonly ListEdit[] {
  let edits: ListEdit[] | undefined;
  for (const name in table) {
    const edit = listEditOf(name);
    if (edit === undefined) continue;
    const { key, op } = edit;
    if (table[key] !== undefined) {
      problems.push({
        code: "UNIT_LIST_EDIT_CONFLICT",
        message: `cannot use '${name}' and '${key}' in one table`,
        path: [...path, name],
        part: "key",
      });
    }
    edits ??= [];
    edits.push({ key, op, items: table[`${key}${op}`] ?? [] });
  }
  return edits ?? NO_EDITS;
}

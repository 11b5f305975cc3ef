import { constants } from "node:os";
import { didYouMean } from "../errors/index.js";
import type { Problem } from "./problems.js";
import type { Path } from "./source.js";
import { parseDuration, parseSize } from "./quantity.js";
import { type FieldKind, type TableKind, TABLES } from "./table-fields.js";
import { quoted } from "./text.js";
import type { Table } from "./values.js";

const PROBE_KINDS = ["started", "notify", "fd", "log", "tcp", "unix", "http", "command", "file", "after"];

/** Kinds without attempts, because the program reports once. */
const SAID_ONCE = ["started", "fd", "log", "after"];

/** The keys of a single kind of probe. */
const PROBE_PARTS: Readonly<Record<string, string>> = { status: "http", body: "http", output: "command" };

/**
 * Problems of a valid table that the schema cannot express.
 * @param path path of the table in its document
 */
export function tableProblems(kind: TableKind, key: string, table: Table, path: Path): Problem[] {
  const kinds: Readonly<Record<string, FieldKind>> = TABLES[kind];
  const problems = Object.entries(table).flatMap(([field, value]) => {
    const hint = typeof value === "string" ? FIELD_CHECKS[kinds[field] ?? "plain"]?.(value) : undefined;
    return hint === undefined ? [] : [invalidField(key, field, value, { path, hint })];
  });
  return kind === "probe" ? [...probeProblems(key, table, path), ...problems] : problems;
}

/** For each kind of field: the text to write instead of an invalid text. */
const FIELD_CHECKS: Readonly<Partial<Record<FieldKind, (text: string) => string | undefined>>> = {
  duration: (text) => (parseDuration(text).ok ? undefined : 'e.g. "30s", "500ms" or "infinity"'),
  expression: (text) => expressionProblem(text),
  address: (text) => {
    const port = /^(?:\[[^\]]+\]|[^:]*):(\d{1,5})$/.exec(text)?.[1];
    return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535 ? undefined : "write HOST:PORT";
  },
  url: (text) => {
    const isUrl = URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol);
    return isUrl ? undefined : "write http://HOST:PORT/PATH";
  },
  signal: (text) => signalHint(text),
  count: (text) => (text === "infinity" ? undefined : 'write a number, or "infinity"'),
  limit: (text) =>
    limitOf(text) === undefined
      ? 'write a number, a size such as "8MiB", "infinity", or "SOFT:HARD"'
      : undefined,
  statuses: (text) =>
    /^\d{3}(?:-\d{3})?(?:,\d{3}(?:-\d{3})?)*$/.test(text) ? undefined : 'e.g. "200", "200-399" or "200,302"',
};

function signalHint(text: string): string | undefined {
  if (Object.hasOwn(constants.signals, text)) return undefined;
  return didYouMean(text, Object.keys(constants.signals)) ?? "write the name of a signal, such as SIGTERM";
}

/** Problems of a list of signals and statuses that the schema cannot express. */
export function endProblems(key: string, ends: readonly (string | number)[], path: Path): Problem[] {
  return ends.flatMap((end, at) => {
    const hint = typeof end === "string" ? signalHint(end) : undefined;
    if (hint === undefined) return [];
    const message = `invalid value for config key '${key}': ${quoted(String(end))}`;
    return [
      { code: "UNIT_INVALID_VALUE" as const, message, path: [...path, at], part: "value" as const, hint },
    ];
  });
}

/** A limit as `SOFT:HARD`, of numbers and `infinity`; undefined if it is invalid. */
function limitOf(text: string): string | undefined {
  const parts = text.split(":").map((part) => {
    if (part === "infinity" || /^\d{1,15}$/.test(part)) return part;
    const size = parseSize(part);
    return size.ok ? String(size.value.value) : undefined;
  });
  const [soft, hard = soft] = parts;
  if (soft === undefined || hard === undefined || parts.length > 2) return undefined;
  return numberOf(soft) <= numberOf(hard) ? `${soft}:${hard}` : undefined;
}

function numberOf(limit: string): number {
  return limit === "infinity" ? Infinity : Number(limit);
}

function expressionProblem(text: string): string | undefined {
  try {
    new RegExp(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

interface FieldPlace {
  /** Path of the table. */
  readonly path: Path;
  readonly hint: string;
}

function invalidField(key: string, field: string, value: unknown, { path, hint }: FieldPlace): Problem {
  const message = `invalid value for config key '${key}.${field}': ${quoted(String(value))}`;
  return { code: "UNIT_INVALID_VALUE", message, path: [...path, field], part: "value", hint };
}

function probeProblems(key: string, table: Table, path: Path): Problem[] {
  const kinds = PROBE_KINDS.filter((kind) => table[kind] !== undefined);
  const [kind = "", second] = kinds;
  if (kinds.length !== 1) {
    const message =
      second === undefined ? `'${key}' lacks a kind of probe` : `'${key}' has both '${kind}' and '${second}'`;
    const hint = `write exactly one of ${PROBE_KINDS.join(", ")}`;
    const at = second === undefined ? path : [...path, second];
    return [{ code: "UNIT_INVALID_VALUE", message, path: at, part: "key", hint }];
  }
  const once = key === "alive" && SAID_ONCE.includes(kind);
  if (once) {
    const message = `'${key}' cannot use the probe '${kind}', which succeeds only once`;
    return [{ code: "UNIT_INVALID_VALUE", message, path: [...path, kind], part: "key" }];
  }
  return Object.entries(PROBE_PARTS)
    .filter(([part, of]) => table[part] !== undefined && of !== kind)
    .map(([part, of]) => ({
      code: "UNIT_INVALID_VALUE" as const,
      message: `'${key}.${part}' goes with '${of}', not with '${kind}'`,
      path: [...path, part],
      part: "key" as const,
    }));
}

/** Stands for Infinity, which JSON lacks, in a load. */
const ENDLESS = Number.MAX_SAFE_INTEGER;

/**
 * A table in the form of `module.load`. Durations are milliseconds, in fields whose names end in `Ms`. Limits
 * are `SOFT:HARD`. The largest number stands for "no limit".
 */
export function tableOption(kind: TableKind, table: Table): Table {
  const kinds: Readonly<Record<string, FieldKind>> = TABLES[kind];
  return Object.fromEntries(
    Object.entries(table).map(([field, value]) => {
      switch (kinds[field]) {
        case "duration": {
          const parsed = parseDuration(String(value));
          return [`${field}Ms`, parsed.ok ? Math.min(parsed.value.value, ENDLESS) : 0];
        }
        case "count":
          return [field, value === "infinity" ? ENDLESS : value];
        case "limit":
          return [field, limitOf(String(value)) ?? value];
        default:
          return [field, value];
      }
    }),
  );
}

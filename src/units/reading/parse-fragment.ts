import { fail, type Result, succeed } from "../../errors/index.js";
import type { FragmentCache } from "../cache/fragment-cache.js";
import { type Format, formatOf, knownDocument, parseDocument, problemAt } from "../formats/document.js";
import { createFileGuard, type FileGuard } from "../file-guard.js";
import { emptyFragment, type Fragment, type Reading } from "../fragment.js";
import { readText } from "./read-file.js";
import { type DocumentKind, readTables } from "./read-tables.js";
import { namedSource, wholeFile } from "../source.js";

/** The source and the language of a text. */
export interface FragmentText {
  /** For places, and for the directory from which relative `module` paths count. Need not exist. */
  readonly file: string;
  /** Default: by the suffix of `file`, else TOML. */
  readonly format?: Format;
}

/**
 * Reads the text of a unit file (docs/design/planning.md §1–2). Errors: `UNIT_SYNTAX`, and those of invalid keys:
 * `UNIT_UNKNOWN_KEY`, `UNIT_WRONG_TYPE`, `UNIT_MISSING_KEY`, `UNIT_INVALID_NAME`, `UNIT_INVALID_RANKS`,
 * `UNIT_INVALID_DURATION`, `UNIT_INVALID_SIZE`, `UNIT_INVALID_VALUE`, `UNIT_LIST_EDIT_CONFLICT`; all of them at once.
 */
export function parseFragment(text: string, options: FragmentText): Result<Fragment> {
  return resultOf(parseReading(text, options, "unit-file"));
}

/**
 * As {@link parseFragment}, of a TOML or YAML rc file, which may also have `load` and `remove`
 * (docs/design/planning.md §8).
 */
export function parseRcFragment(text: string, options: FragmentText): Result<Fragment> {
  return resultOf(parseReading(text, options, "rc-file"));
}

/** The options for reading files. */
export interface FileReading {
  /** The guard that checks files before they are read. Default: a guard of its own, see `createFileGuard`. */
  readonly guard?: FileGuard | undefined;
  /** The cache of earlier reads. */
  readonly cache?: FragmentCache | undefined;
}

/**
 * Reads a TOML or YAML rc file. Errors: as {@link parseFragment}, and `UNIT_INSECURE`, `UNIT_UNREADABLE`,
 * `UNIT_NOT_A_FILE`, `UNIT_NOT_UTF8`, `UNIT_UNKNOWN_FORMAT`.
 */
export async function readRcFragment(file: string, reading: FileReading = {}): Promise<Result<Fragment>> {
  return resultOf(await readRcReading(file, reading));
}

/** As {@link readRcFragment}, the sound part beside the problems. */
export function readRcReading(file: string, reading: FileReading = {}): Promise<Reading> {
  return readReading(file, "rc-file", reading);
}

/** A file with its problems, for composition with others. */
export async function readReading(
  file: string,
  kind: DocumentKind,
  { guard = createFileGuard(), cache }: FileReading,
): Promise<Reading> {
  const format = formatOf(file);
  if (format === undefined || format === "json") {
    const message = "is neither TOML nor YAML: its name must end in .toml, .yaml or .yml";
    return brokenReading(file, [problemAt("UNIT_UNKNOWN_FORMAT", message, wholeFile(file))]);
  }
  const content = await readText(file, guard);
  if (!content.ok) return brokenReading(file, content.diagnostics);
  const { bytes } = content;
  const kept =
    bytes.length < WORTH_KEEPING[format] ? undefined : cache?.look({ file, bytes, meaning: [format, kind] });
  const known = kept?.read(knownDocument(bytes, file, format));
  if (known !== undefined) return { fragment: known, diagnostics: [], isBroken: false };
  const reading = parseReading(bytes.toString("utf8"), { file, format }, kind);
  if (!reading.isBroken && reading.diagnostics.length === 0) kept?.write(reading.fragment);
  return reading;
}

/** For larger files, parsing takes longer than a search in the cache. The parser of YAML takes 40 ms to load. */
const WORTH_KEEPING: Readonly<Record<Format, number>> = { toml: 32_768, yaml: 1, json: 1 };

function parseReading(text: string, { file, format }: FragmentText, kind: DocumentKind): Reading {
  const document = parseDocument(text, file, format ?? formatOf(file) ?? "toml");
  if (!document.ok) return brokenReading(file, document.diagnostics);
  return readTables(document.value, document.source, kind);
}

/** The reading of a source that could not be read at all. */
export function brokenReading(file: string, diagnostics: Reading["diagnostics"]): Reading {
  return { fragment: emptyFragment(namedSource(file)), diagnostics, isBroken: true };
}

/** The reading of a fragment with which nothing is wrong. */
export function asReading(fragment: Fragment): Reading {
  return { fragment, diagnostics: [], isBroken: false };
}

/** A fragment, if nothing is wrong with it. */
export function resultOf({ fragment, diagnostics }: Reading): Result<Fragment> {
  return diagnostics.length > 0 ? fail(diagnostics) : succeed(fragment);
}

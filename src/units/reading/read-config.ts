import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type Diagnostic, fail, type Result, succeed } from "../../errors/index.js";
import { resolveConfigPaths } from "./config-paths.js";
import { toConfigTable } from "./config-value.js";
import { LayeredConfiguration, type ConfigLayer } from "./configuration.js";
import { type Format, formatOf, type LoadedDocument, parseDocument, problemAt } from "../formats/document.js";
import { createFileGuard, type FileGuard } from "../file-guard.js";
import { listFiles } from "./list-files.js";
import { locateProblems, type Problem } from "../problems.js";
import { readText, unreadable } from "./read-file.js";
import { namedSource, type Source, wholeFile } from "../source.js";
import { quoted } from "../text.js";
import type { ConfigTable } from "../types.js";

/** The source of a part of a configuration (docs/design/instance.md §3). */
export type ConfigInput =
  /** A TOML, YAML or JSON file, or a directory of them. */
  | { readonly kind: "path"; readonly path: string }
  /** `KEY=VALUE`, or the path of a file: the value of a flag `--conf`. */
  | { readonly kind: "flag"; readonly text: string };

type Refused = Extract<LoadedDocument, { readonly ok: false }>;

/** The layers of one input, and its problems. */
interface Layers {
  readonly layers: readonly ConfigLayer[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads a configuration. Later inputs win over earlier ones.
 * Errors, all at once: `BROKER_CONFIG`, `UNIT_SYNTAX`, `UNIT_INSECURE`, `UNIT_UNREADABLE`, `UNIT_NOT_A_FILE`, `UNIT_NOT_UTF8`,
 * `UNIT_UNKNOWN_FORMAT`. Does not check the contents of the tables: see `checkConfiguration`.
 */
export async function readConfiguration(
  inputs: readonly ConfigInput[],
  guard: FileGuard = createFileGuard(),
): Promise<Result<LayeredConfiguration>> {
  const read = await Promise.all(
    inputs.map((input) =>
      input.kind === "path" ? readPath(input.path, guard) : readFlag(input.text, guard),
    ),
  );
  const diagnostics = read.flatMap((part) => part.diagnostics);
  if (diagnostics.length > 0) return fail(diagnostics);
  return succeed(new LayeredConfiguration(read.flatMap((part) => part.layers)));
}

/**
 * Reads the text of a configuration.
 * Errors: `UNIT_SYNTAX`, `BROKER_CONFIG`.
 * @param label its name in errors; the suffix decides the format
 * @param format default: by the suffix, else by the form of the text
 */
export function configurationFromText(
  text: string,
  label: string,
  format?: Format,
): Result<LayeredConfiguration> {
  const { layers, diagnostics } = layerOf(parseAny(text, label, format ?? formatOf(label)));
  return diagnostics.length > 0 ? fail(diagnostics) : succeed(new LayeredConfiguration(layers));
}

/** As {@link configurationFromText}, without the places of its values. */
export function parseConfigText(text: string, label: string, format?: Format): Result<ConfigTable> {
  const read = configurationFromText(text, label, format);
  return read.ok ? succeed(read.value.table) : read;
}

/**
 * Text of no known format, such as standard input: JSON starts with a brace. A text that is not TOML is YAML.
 */
function parseAny(text: string, label: string, format: Format | undefined): LoadedDocument {
  if (format !== undefined) return parseDocument(text, label, format);
  if (text.trimStart().startsWith("{")) return parseDocument(text, label, "json");
  const toml = parseDocument(text, label, "toml");
  if (toml.ok) return toml;
  const yaml = parseDocument(text, label, "yaml");
  // YAML reads nearly every text as a string.
  return yaml.ok && typeof yaml.value === "object" ? yaml : toml;
}

async function readPath(path: string, guard: FileGuard): Promise<Layers> {
  try {
    if (!(await stat(path)).isDirectory()) return await readFile(path, guard);
  } catch (error) {
    return refuse([unreadable(path, error)]);
  }
  // This also checks an empty directory, because Sluice would read a file that is added later.
  const problems = guard.check(path);
  if (problems.length > 0) return refuse(problems);
  const listed = await listFiles(path, ["toml", "yaml", "yml", "json"]);
  const read = await Promise.all(listed.names.map((name) => readFile(join(path, name), guard)));
  return {
    layers: read.flatMap((part) => part.layers),
    diagnostics: [...listed.diagnostics, ...read.flatMap((part) => part.diagnostics)],
  };
}

async function readFile(file: string, guard: FileGuard): Promise<Layers> {
  const format = formatOf(file);
  if (format === undefined) {
    const message = "unknown configuration format: the file name must end in .toml, .yaml, .yml or .json";
    return refuse([problemAt("UNIT_UNKNOWN_FORMAT", message, wholeFile(file))]);
  }
  const content = await readText(file, guard);
  return content.ok
    ? layerOf(parseDocument(content.bytes.toString("utf8"), file, format))
    : refuse(content.diagnostics);
}

async function readFlag(text: string, guard: FileGuard): Promise<Layers> {
  const equals = text.indexOf("=");
  const key = text.slice(0, equals);
  // A path may contain an equals sign too, but not after a text that could be a key.
  if (equals < 0 || key.includes("/")) return readPath(text, guard);
  const parts = key.split(".");
  if (parts.some((part) => part === "" || part === "__proto__")) {
    return refuse([problemAt("BROKER_CONFIG", `invalid configuration key ${quoted(key)}`, undefined)]);
  }
  const value: unknown = parts.reduceRight<unknown>(
    (inner, part) => ({ [part]: inner }),
    parseFlagValue(text.slice(equals + 1)),
  );
  return layerOf({ ok: true, value, source: namedSource(`flag --conf=${text}`) });
}

/** The JSON value of the text, else the text itself. */
function parseFlagValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

function layerOf(
  document: { readonly ok: true; readonly value: unknown; readonly source: Source } | Refused,
): Layers {
  if (!document.ok) return refuse(document.diagnostics);
  const { value, source } = document;
  const problems: Problem[] = [];
  const table = toConfigTable(value, problems);
  return problems.length > 0
    ? refuse(locateProblems(source, problems))
    : { layers: [{ table: resolveConfigPaths(table, source.directory), source }], diagnostics: [] };
}

function refuse(diagnostics: readonly Diagnostic[]): Layers {
  return { layers: [], diagnostics };
}

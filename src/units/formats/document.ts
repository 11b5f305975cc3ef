import { dirname, resolve } from "node:path";
import { type Diagnostic, type ErrorCode, type Location } from "../../errors/index.js";
import { parseJson } from "./json.js";
import type { ParsedDocument } from "./parsed-document.js";
import { DocumentSource, findLineStarts, type Positions, type Source, spanLocation } from "../source.js";
import { shortened } from "../text.js";
import { parseToml } from "./toml.js";
import { TomlPositions } from "./toml-positions.js";
import { parseYaml } from "./yaml.js";

/** The languages of units and configuration files. */
export type Format = "toml" | "yaml" | "json";

/** The format by the suffix of a file's name, if Sluice reads it. */
export function formatOf(file: string): Format | undefined {
  const suffix = /\.([^./]+)$/.exec(file)?.[1];
  switch (suffix) {
    case "toml":
    case "json":
      return suffix;
    case "yaml":
    case "yml":
      return "yaml";
    default:
      return undefined;
  }
}

/** A document after parsing, or all of its errors. */
export type LoadedDocument =
  | { readonly ok: true; readonly value: unknown; readonly source: DocumentSource }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

/**
 * Parses a document. Errors: `UNIT_SYNTAX`.
 * @param file its name, for places
 */
export function parseDocument(text: string, file: string, format: Format): LoadedDocument {
  // Offsets then agree between parsers that skip the mark and parsers that do not.
  const body = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const parsed = parseAs(body, format);
  if (parsed.ok) {
    const source = new DocumentSource(file, body, parsed.makePositions);
    return { ok: true, value: parsed.value, source };
  }
  const lineStarts = findLineStarts(body);
  const diagnostics = parsed.problems.map(({ message, span, hint }) =>
    problemAt("UNIT_SYNTAX", shortened(message, 200), spanLocation(file, body, lineStarts, span), hint),
  );
  return { ok: false, diagnostics };
}

/**
 * A document that was parsed before, and was valid. The first question for a place decodes its text and computes its
 * places.
 */
export function knownDocument(bytes: Buffer, file: string, format: Format): Source {
  let source: Source | undefined;
  const open = (): Source => {
    const text = bytes.toString("utf8");
    const body = text.startsWith("\uFEFF") ? text.slice(1) : text;
    return new DocumentSource(file, body, () => positionsOf(body, format));
  };
  return {
    name: file,
    directory: dirname(resolve(file)),
    locate: (path, part) => (source ??= open()).locate(path, part),
  };
}

/** The places in a valid text. Those of TOML need no values. */
function positionsOf(text: string, format: Format): Positions {
  if (format === "toml") return new TomlPositions(text);
  const parsed = parseAs(text, format);
  return parsed.ok ? parsed.makePositions() : { find: () => undefined };
}

function parseAs(text: string, format: Format): ParsedDocument {
  switch (format) {
    case "toml":
      return parseToml(text);
    case "yaml":
      return parseYaml(text);
    case "json":
      return parseJson(text);
  }
}

/** An error that has only a place. */
export function problemAt(
  code: ErrorCode,
  message: string,
  location: Location | undefined,
  hint?: string,
): Diagnostic {
  return { code, severity: "error", message, location, related: [], hint };
}

import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import type { CST, Document } from "yaml";
import type { ParsedDocument, SyntaxProblem } from "./parsed-document.js";
import type { Span } from "../source.js";
import { findDeepNesting } from "./yaml-depth.js";
import { YamlPositions } from "./yaml-positions.js";
import { YamlReader } from "./yaml-reader.js";

/** The parser takes a second and 100 MB for each megabyte; TOML takes a twentieth of both. */
const TEXT_LIMIT = 2 ** 20;
const TOO_LONG = "Sluice reads no YAML over 1 MiB; use TOML";
const PROBLEM_LIMIT = 20;

/** The first YAML file loads it, because that takes 40 ms. */
function loadYaml(): typeof Yaml {
  return createRequire(import.meta.url)("yaml") as typeof Yaml;
}

/**
 * Parses YAML 1.2 into plain values; tables have no prototype. Keys are strings. Each occurs once in a table.
 */
export function parseYaml(text: string): ParsedDocument {
  if (text.length > TEXT_LIMIT) return refuse([{ message: TOO_LONG, span: { start: 0, end: 0 } }]);
  const yaml = loadYaml();
  const deep = findDeepNesting(yaml, text);
  if (deep !== undefined) return refuse([{ message: "nested too deeply", span: deep }]);
  const { document, problems } = composeDocument(yaml, text);
  if (document === undefined || problems.length > 0) return refuse(problems);
  const reader = new YamlReader(yaml);
  const value = reader.read(document.contents);
  if (reader.problems.length > 0) return refuse(reader.problems);
  return {
    ok: true,
    // An empty file and a file with only comments have no content.
    value: value ?? {},
    makePositions: () => new YamlPositions(yaml, document.contents, reader.targets),
  };
}

function refuse(problems: readonly SyntaxProblem[]): ParsedDocument {
  return { ok: false, problems: problems.slice(0, PROBLEM_LIMIT) };
}

interface Composed {
  readonly document: Document.Parsed | undefined;
  readonly problems: readonly SyntaxProblem[];
}

/** As the library's own `parseDocument`, but stops at a text with many errors. */
function composeDocument(yaml: typeof Yaml, text: string): Composed {
  const problems: SyntaxProblem[] = [];
  let document: Document.Parsed | undefined;
  // The reader has its own check for duplicate keys, because the library's check is quadratic.
  const composer = new yaml.Composer({ stringKeys: true, uniqueKeys: false });
  const tokens = untilHopeless(new yaml.Parser().parse(text));
  for (const next of composer.compose(tokens, true, text.length)) {
    if (document !== undefined) {
      problems.push({ message: "more than one document in a file", span: rangeSpan(next.range) });
      break;
    }
    document = next;
    for (const { message, pos } of [...next.errors, ...next.warnings]) {
      problems.push({ message, span: { start: pos[0], end: pos[1] } });
    }
  }
  return { document, problems };
}

/**
 * The tokens up to one error above the number shown, because an invalid megabyte has a million errors, and takes a
 * minute.
 */
function* untilHopeless(tokens: Iterable<CST.Token>): Generator<CST.Token> {
  let errors = 0;
  for (const token of tokens) {
    yield token;
    if (token.type === "error" && ++errors > PROBLEM_LIMIT) return;
  }
}

function rangeSpan([start, end]: readonly [number, number, number]): Span {
  return { start, end };
}

import { createRequire } from "node:module";
import type * as TomlParser from "toml-eslint-parser";
import type { AST } from "toml-eslint-parser";
import type { Part, Path, Positions, Span } from "../source.js";
import { type Piece, scanTables } from "./toml-scan.js";

const require = createRequire(import.meta.url);

/**
 * If a table has more text than this, the place is the place of its header. The parser takes a second and 200
 * MB for each megabyte.
 */
const PIECE_LIMIT = 1_000_000;

/**
 * The places of the values of a TOML document. The parser with positions loads only when a caller requests a
 * place, because it is slow and needs much memory. It gets only the one table with the value, because cutting
 * the document into its tables first is quick.
 */
export class TomlPositions implements Positions {
  readonly #text: string;
  /** Tables by their path. */
  readonly #pieces = new Map<string, Piece>();
  /** The first header that mentions a path. */
  readonly #headers = new Map<string, Span>();
  #current: { readonly piece: Piece; readonly body: Body } | undefined;

  /** @param text a valid document */
  constructor(text: string) {
    this.#text = text;
    const counts = new Map<string, number>();
    for (const piece of scanTables(text)) {
      const path = this.#resolve(piece, counts);
      this.#pieces.set(pathKey(path), piece);
      for (let length = 1; length <= path.length; length++) {
        const key = pathKey(path.slice(0, length));
        if (!this.#headers.has(key)) {
          this.#headers.set(key, { start: piece.start, end: piece.headerEnd });
        }
      }
    }
  }

  find(path: Path, part: Part): Span | undefined {
    for (let length = path.length - 1; length >= 0; length--) {
      const piece = this.#pieces.get(pathKey(path.slice(0, length)));
      if (piece === undefined) continue;
      const span = this.#bodyOf(piece).find(path.slice(length), part);
      if (span !== undefined) return { start: span.start + piece.start, end: span.end + piece.start };
    }
    return this.#headers.get(pathKey(path));
  }

  /** The path of a header, with the indices of the arrays of tables in it. */
  #resolve(piece: Piece, counts: Map<string, number>): Path {
    const path: (string | number)[] = [];
    const keys = splitHeader(piece.header);
    for (const [index, key] of keys.entries()) {
      path.push(key);
      const name = pathKey(path);
      const isNew = piece.isArray && index === keys.length - 1;
      const count = (counts.get(name) ?? 0) + (isNew ? 1 : 0);
      if (isNew) counts.set(name, count);
      if (count > 0) path.push(count - 1);
    }
    return path;
  }

  #bodyOf(piece: Piece): Body {
    if (this.#current?.piece !== piece) {
      this.#current = { piece, body: new Body(parseBody(this.#text.slice(piece.start, piece.end))) };
    }
    return this.#current.body;
  }
}

/** The `key = value` lines of one table. */
class Body {
  readonly #byFirstKey = new Map<string, AST.TOMLKeyValue[]>();

  constructor(lines: readonly AST.TOMLKeyValue[]) {
    for (const line of lines) {
      const first = keysOf(line.key)[0] ?? "";
      const same = this.#byFirstKey.get(first);
      if (same === undefined) this.#byFirstKey.set(first, [line]);
      else same.push(line);
    }
  }

  find(path: Path, part: Part): Span | undefined {
    return findLine(this.#byFirstKey.get(String(path[0])) ?? [], path, part);
  }
}

function findLine(lines: readonly AST.TOMLKeyValue[], path: Path, part: Part): Span | undefined {
  for (const line of lines) {
    const keys = keysOf(line.key);
    const common = Math.min(keys.length, path.length);
    if (keys.slice(0, common).some((key, index) => key !== String(path[index]))) continue;
    const rest = path.slice(common);
    if (rest.length > 0) return findValue(line.value, rest, part);
    if (part === "key" || keys.length > common) return spanOf(line.key.keys[common - 1] ?? line.key);
    return spanOf(line.value);
  }
  return undefined;
}

function findValue(value: AST.TOMLContentNode, path: Path, part: Part): Span | undefined {
  switch (value.type) {
    case "TOMLInlineTable":
      return findLine(value.body, path, part);
    case "TOMLArray": {
      const element = value.elements[Number(path[0])];
      if (element === undefined) return undefined;
      return path.length === 1 ? spanOf(element) : findValue(element, path.slice(1), part);
    }
    case "TOMLValue":
      return undefined;
  }
}

function parseBody(text: string): AST.TOMLKeyValue[] {
  if (text.length > PIECE_LIMIT) return [];
  const lines: AST.TOMLKeyValue[] = [];
  for (const node of parseTables(text)) {
    if (node.type === "TOMLTable") lines.push(...node.body);
    else lines.push(node);
  }
  return lines;
}

function parseTables(text: string): readonly (AST.TOMLKeyValue | AST.TOMLTable)[] {
  // This loads it by `require`, because getters read places, and a getter cannot wait. Node ≥ 20.19 can require ESM.
  const parser = require("toml-eslint-parser") as typeof TomlParser;
  try {
    return parser.parseTOML(text, { tomlVersion: "1.1" }).body[0].body;
  } catch (error) {
    // The document is valid, or this code would not run. The two parsers may disagree, or this one may run out of
    // stack on deep nesting. The place is then the place of the surrounding table, which is less exact but enough.
    if (error instanceof parser.ParseError || error instanceof RangeError) return [];
    throw error;
  }
}

/** The keys of a header, with a fast path for bare keys, which nearly all files use. */
function splitHeader(header: string): readonly string[] {
  if (header === "") return [];
  if (/^[A-Za-z0-9_-]+$/.test(header)) return [header];
  const [table] = parseTables(`[${header}]`);
  return table === undefined ? [header] : keysOf(table.key);
}

function keysOf(key: AST.TOMLKey): string[] {
  return key.keys.map((part) => (part.type === "TOMLBare" ? part.name : part.value));
}

function spanOf(node: { readonly range: readonly [number, number] }): Span {
  return { start: node.range[0], end: node.range[1] };
}

/** Keys contain no NUL, so that different paths have different texts. */
function pathKey(path: Path): string {
  return path.join("\0");
}

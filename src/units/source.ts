import { dirname, resolve } from "node:path";
import type { Location, Origin } from "../errors/index.js";
import { formatLocation } from "../errors/index.js";

/** Keys and indices from the top of a document to a value. */
export type Path = readonly (string | number)[];

/** The end of `key = value` in question. */
export type Part = "key" | "value";

/** Finds values of one document. Made at the first question for a place in the document. */
export interface Positions {
  /** The place of a value or of its key; undefined if the document has none there. */
  find(path: Path, part: Part): Span | undefined;
}

/** A stretch of a text: offsets in UTF-16 units, the end exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where settings come from: a file, or another named source. */
export interface Source {
  /** For people: the given path, or e.g. `environment FLUX_MODPROBE_DISABLE`. */
  readonly name: string;
  /** The base of relative `module` and `loader` paths; undefined: they do not change. */
  readonly directory: string | undefined;
  /** The place of a value, or the nearest place around it. Undefined without a file. */
  locate(path: Path, part: Part): Location | undefined;
}

/** A source without places: a flag, an environment variable, a broker's configuration. */
export function namedSource(name: string): Source {
  return { name, directory: undefined, locate: () => undefined };
}

/**
 * A declaration in the code of a file: its host has only the line.
 * @param line from 1; 0 or undefined if unknown
 */
export function codeSource(file: string, line = 0, column = 0): Source {
  const location = placeAt(file, Math.max(1, line), Math.max(1, column));
  return { name: file, directory: dirname(resolve(file)), locate: () => location };
}

/** A document whose places are computed at the first question for one. */
export class DocumentSource implements Source {
  readonly name: string;
  readonly directory: string;
  readonly #text: string;
  readonly #makePositions: () => Positions;
  #positions: Positions | undefined;
  #lineStarts: readonly number[] | undefined;

  /** @param makePositions called at most once */
  constructor(name: string, text: string, makePositions: () => Positions) {
    this.name = name;
    this.directory = dirname(resolve(name));
    this.#text = text;
    this.#makePositions = makePositions;
  }

  locate(path: Path, part: Part): Location {
    this.#positions ??= this.#makePositions();
    const exact = this.#positions.find(path, part);
    if (exact !== undefined) return this.at(exact);
    // For a missing or computed value, the place is the place of its container.
    for (let length = path.length - 1; length > 0; length--) {
      const around = this.#positions.find(path.slice(0, length), "key");
      if (around !== undefined) return this.at(around);
    }
    return wholeFile(this.name);
  }

  /** The place of a part of the text. */
  at(span: Span): Location {
    this.#lineStarts ??= findLineStarts(this.#text);
    return spanLocation(this.name, this.#text, this.#lineStarts, span);
  }
}

/** The place of a problem with a file as a whole. */
export function wholeFile(file: string): Location {
  return placeAt(file, 1, 1);
}

function placeAt(file: string, line: number, column: number): Location {
  return { file, line, column, endLine: line, endColumn: column };
}

/** Offsets at which the lines of a text start. */
export function findLineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** Lines and columns for offsets in a text. */
export function spanLocation(
  file: string,
  text: string,
  lineStarts: readonly number[],
  span: Span,
): Location {
  const start = lineOf(lineStarts, span.start);
  const end = lineOf(lineStarts, Math.max(span.start, span.end));
  const lineStart = lineStarts[start] ?? 0;
  return {
    file,
    line: start + 1,
    column: span.start - lineStart + 1,
    endLine: end + 1,
    endColumn: Math.max(span.start, span.end) - (lineStarts[end] ?? 0) + 1,
    sourceLine: text.slice(lineStart, (lineStarts[start + 1] ?? text.length + 1) - 1).replace(/\r$/, ""),
  };
}

/** Index of the line that contains an offset. */
function lineOf(lineStarts: readonly number[], offset: number): number {
  let from = 0;
  let to = lineStarts.length;
  while (to - from > 1) {
    const middle = (from + to) >>> 1;
    if ((lineStarts[middle] ?? 0) <= offset) from = middle;
    else to = middle;
  }
  return from;
}

/** The origin of a value. Computes the place at the first read. */
export class SourceOrigin implements Origin {
  readonly #source: Source;
  readonly #path: Path;
  #location: Location | undefined;

  constructor(source: Source, path: Path) {
    this.#source = source;
    this.#path = path;
  }

  /** The path in its source. */
  get path(): Path {
    return this.#path;
  }

  get label(): string {
    const { location } = this;
    return location === undefined ? this.#source.name : formatLocation(location);
  }

  get location(): Location | undefined {
    this.#location ??= this.#source.locate(this.#path, "value");
    return this.#location;
  }
}

/** An origin that is not a place in a file. */
export function namedOrigin(label: string): Origin {
  return { label, location: undefined };
}

/** A source that has one place, or none. */
export function originSource(origin: Origin): Source {
  return { name: origin.label, directory: undefined, locate: () => origin.location };
}

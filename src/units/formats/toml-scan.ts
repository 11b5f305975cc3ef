/** A header line and the lines below it, up to the next header. The first piece of a file has no header. */
export interface Piece {
  /** The keys of the header as written between its brackets; empty for the first piece. */
  readonly header: string;
  /** Whether the header was `[[…]]`. */
  readonly isArray: boolean;
  readonly start: number;
  /** The offset after the brackets of the header. */
  readonly headerEnd: number;
  readonly end: number;
}

/**
 * Cuts a TOML document into its tables, without parsing it. It distinguishes only strings, comments and brackets,
 * which is enough to find headers. The document must be valid.
 */
export function scanTables(text: string): Piece[] {
  const pieces: Piece[] = [];
  let current = { header: "", isArray: false, start: 0, headerEnd: 0 };
  let at = 0;
  while (at < text.length) {
    at = skipBlank(text, at);
    if (text[at] === "[") {
      pieces.push({ ...current, end: at });
      current = readHeader(text, at);
      at = endOfStatement(text, at);
    } else {
      at = endOfStatement(text, at);
    }
  }
  pieces.push({ ...current, end: text.length });
  return pieces;
}

function readHeader(text: string, start: number): Omit<Piece, "end"> {
  const isArray = text.startsWith("[[", start);
  const width = isArray ? 2 : 1;
  let at = start + width;
  while (at < text.length && text[at] !== "]") {
    at = isQuote(text[at]) ? endOfString(text, at) : at + 1;
  }
  return { header: text.slice(start + width, at).trim(), isArray, start, headerEnd: at + width };
}

function skipBlank(text: string, from: number): number {
  let at = from;
  while (at < text.length && " \t\r\n".includes(text.charAt(at))) at++;
  return at;
}

/** The offset after the line end that ends the statement: the first one outside strings, comments and brackets. */
function endOfStatement(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const char = text[at];
    if (char === "\n" && depth === 0) return at + 1;
    if (char === "#") at = endOfLine(text, at);
    else if (isQuote(char)) at = endOfString(text, at);
    else {
      if (char === "[" || char === "{") depth++;
      else if (char === "]" || char === "}") depth--;
      at++;
    }
  }
  return text.length;
}

function isQuote(char: string | undefined): boolean {
  return char === '"' || char === "'";
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end;
}

/** The offset after the string that starts at `from`. */
function endOfString(text: string, from: number): number {
  const quote = text.charAt(from);
  const triple = quote.repeat(3);
  const isMultiline = text.startsWith(triple, from);
  const closing = isMultiline ? triple : quote;
  let at = from + closing.length;
  while (at < text.length && !text.startsWith(closing, at)) {
    at += quote === '"' && text[at] === "\\" ? 2 : 1;
  }
  at += closing.length;
  // Up to two quotes may stand right before the closing three.
  while (isMultiline && text[at] === quote) at++;
  return Math.min(at, text.length);
}

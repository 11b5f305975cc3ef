import { type Token, TokenList } from "./source-tokens.js";

const SPACE = /(?:[ \t\f\r\n]|\\\r?\n|#[^\n]*)+/y;
const OPENING = /([a-zA-Z]{0,2})("""|'''|"|')/y;
const WORD = /[\p{ID_Start}_][\p{ID_Continue}]*/uy;
const NUMBER = /\.?\d(?:[eE][+-]|[\w.])*/y;
const ENDINGS: Readonly<Record<string, RegExp>> = {
  '"""': /(?:[^"\\]|\\[\s\S]|"(?!""))*(?:"""|$)/y,
  "'''": /(?:[^'\\]|\\[\s\S]|'(?!''))*(?:'''|$)/y,
  '"': /(?:[^"\\\n]|\\[\s\S])*"?/y,
  "'": /(?:[^'\\\n]|\\[\s\S])*'?/y,
};

/** A logical line of Python: tokens from one index up to another, and the columns of its indentation. */
export interface PythonLine {
  readonly indent: number;
  readonly from: number;
  readonly to: number;
}

/** The tokens of Python, and its logical lines, which may continue in brackets and after backslashes. */
export function pythonTokens(text: string): { readonly list: TokenList; readonly lines: PythonLine[] } {
  const list = new TokenList(scan(text));
  const lines: PythonLine[] = [];
  for (let i = 0; i < list.length;) {
    const from = i;
    do i = list.opens(i) ? list.closing(i) + 1 : i + 1;
    while (i < list.length && !list.at(i).isFirst);
    lines.push({ indent: columnOf(text, list.at(from).start), from, to: Math.min(i, list.length) });
  }
  return { list, lines };
}

/** A tab leads to the next multiple of eight, as in Python. */
function columnOf(text: string, offset: number): number {
  let column = 0;
  for (let i = text.lastIndexOf("\n", offset - 1) + 1; i < offset; i++) {
    column = text[i] === "\t" ? (column | 7) + 1 : column + 1;
  }
  return column;
}

function scan(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text) ?? undefined;
    at += found?.[0].length ?? 0;
    return found;
  };
  for (let isFirst = true; ;) {
    const space = match(SPACE)?.[0] ?? "";
    // A backslash at the end of a line continues it.
    isFirst ||= space.replace(/\\\r?\n/g, "").includes("\n");
    const start = at;
    if (start >= text.length) return tokens;
    const [, prefix = "", quote = ""] = match(OPENING) ?? [];
    if (quote !== "") {
      const content = match(ENDINGS[quote] ?? SPACE)?.[0] ?? "";
      const inside = content.endsWith(quote) ? content.slice(0, -quote.length) : content;
      tokens.push({ ...textOf(prefix, inside), start, end: at, isFirst });
    } else {
      const word = match(WORD)?.[0];
      const number = word === undefined ? match(NUMBER)?.[0] : undefined;
      if (word === undefined && number === undefined) at += 1;
      const kind = word !== undefined ? "word" : number !== undefined ? "number" : "punctuation";
      tokens.push({ kind, text: text.slice(start, at), start, end: at, isFirst });
    }
    isFirst = false;
  }
}

/** A formatted string counts as its text up to the first field. */
function textOf(prefix: string, inside: string): Pick<Token, "kind" | "text"> {
  const field = /f/i.test(prefix) ? inside.indexOf("{") : -1;
  return field === -1 ? { kind: "string", text: inside } : { kind: "open", text: inside.slice(0, field) };
}

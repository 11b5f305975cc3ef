/**
 * A token of a source text. Comments and white space are no tokens. Offsets are of UTF-16 units, the end
 * exclusive.
 */
export interface Token {
  /** `open`: a template with expressions in it; `text` is then the part before the first of them. */
  readonly kind: "word" | "string" | "open" | "number" | "regex" | "punctuation";
  /** As written; for a string, the text between its quotes. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** Whether it is the first token on its line. */
  readonly isFirst: boolean;
}

/** The token before the first and after the last one. */
const NO_TOKEN: Token = { kind: "punctuation", text: "", start: 0, end: 0, isFirst: true };

const CLOSERS: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}", "${": "}" };

/** Tokens, with the partner of each bracket. */
export class TokenList {
  readonly tokens: readonly Token[];
  /** For an opening bracket, the index of its closing one; without one, the end of the list. */
  readonly #partners: Int32Array;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
    this.#partners = new Int32Array(tokens.length).fill(tokens.length);
    const open: number[] = [];
    for (const [i, { kind, text }] of tokens.entries()) {
      if (kind !== "punctuation") continue;
      if (text in CLOSERS) open.push(i);
      if (text !== ")" && text !== "]" && text !== "}") continue;
      const opener = open.at(-1);
      if (opener === undefined || CLOSERS[this.at(opener).text] !== text) continue;
      open.pop();
      this.#partners[opener] = i;
    }
  }

  get length(): number {
    return this.tokens.length;
  }

  at(i: number): Token {
    return this.tokens[i] ?? NO_TOKEN;
  }

  /** Whether there is this punctuation or word, and not a text with the same letters. */
  is(i: number, text: string): boolean {
    const token = this.at(i);
    return token.text === text && (token.kind === "punctuation" || token.kind === "word");
  }

  isWord(i: number): boolean {
    return this.at(i).kind === "word";
  }

  /** Index of the closing bracket of an opening one; the length of the list if there is none. */
  closing(i: number): number {
    return this.#partners[i] ?? this.tokens.length;
  }

  /** Whether there is an opening bracket here. */
  opens(i: number): boolean {
    const { kind, text } = this.at(i);
    return kind === "punctuation" && text in CLOSERS;
  }

  /** Whether there is a closing bracket here. */
  closes(i: number): boolean {
    return this.is(i, ")") || this.is(i, "]") || this.is(i, "}");
  }
}

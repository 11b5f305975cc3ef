import { type Token, TokenList } from "./source-tokens.js";

const SPACE = /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|^#![^\n]*)+/y;
const WORD = /[#@]?[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy;
const NUMBER = /\.?\d(?:[eE][+-]|[\w.])*/y;
const STRING = /"(?:[^"\\\n]|\\[\s\S])*"?|'(?:[^'\\\n]|\\[\s\S])*'?/y;
/** Its length is bounded: otherwise each slash in a line of slashes would start another scan of the line. */
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.){0,999}\]){1,999}\/\w*/y;
/** Up to the end of a template, or to the first expression in it. */
const CHUNK = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{|$)/y;
const PUNCTUATION = /=>|\?\.(?!\d)|\.\.\.|[\s\S]/y;

/** A slash begins a regular expression, because an expression follows these words. */
const BEFORE_EXPRESSION = new Set(
  "return typeof instanceof in of new delete void throw case do else yield await".split(" "),
);

/**
 * The tokens of JavaScript or TypeScript. It passes over errors in the text, because running the file reports them.
 * Expressions within templates are tokens too, between `${` and `}`.
 */
export function scriptTokens(text: string): TokenList {
  return new TokenList(new ScriptScanner(text).scan());
}

class ScriptScanner {
  readonly #text: string;
  readonly #tokens: Token[] = [];
  /** For each template around this place: how many braces are open in the expression. */
  readonly #templates: number[] = [];
  #at = 0;
  #isFirst = true;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): Token[] {
    for (;;) {
      const space = this.#match(SPACE);
      if (space?.includes("\n") === true) this.#isFirst = true;
      if (this.#at >= this.#text.length) return this.#tokens;
      this.#next();
    }
  }

  #next(): void {
    const start = this.#at;
    const quoted = this.#match(STRING);
    if (quoted !== undefined) {
      this.#add("string", start, quoted.slice(1, -1));
      return;
    }
    if (this.#text[start] === "`") {
      this.#template();
      return;
    }
    const word = this.#match(WORD);
    if (word !== undefined) {
      this.#add("word", start, word);
      return;
    }
    const number = this.#match(NUMBER);
    if (number !== undefined) {
      this.#add("number", start, number);
      return;
    }
    const regex = this.#text[start] === "/" && this.#expectsValue() ? this.#match(REGEX) : undefined;
    if (regex !== undefined) {
      this.#add("regex", start, regex);
      return;
    }
    this.#punctuation(start, this.#match(PUNCTUATION) ?? "");
  }

  #template(): void {
    const start = this.#at++;
    const chunk = this.#match(CHUNK) ?? "";
    const isOpen = chunk.endsWith("${");
    this.#add(isOpen ? "open" : "string", start, chunk.slice(0, isOpen ? -2 : -1));
    if (isOpen) this.#expression();
  }

  #expression(): void {
    this.#templates.push(0);
    this.#add("punctuation", this.#at - 2, "${");
  }

  #punctuation(start: number, text: string): void {
    this.#add("punctuation", start, text);
    const depth = this.#templates.at(-1);
    if (depth === undefined) return;
    if (text === "{") this.#templates[this.#templates.length - 1] = depth + 1;
    if (text !== "}") return;
    this.#templates[this.#templates.length - 1] = depth - 1;
    if (depth > 0) return;
    this.#templates.pop();
    const from = this.#at;
    const chunk = this.#match(CHUNK) ?? "";
    if (chunk.endsWith("${")) this.#expression();
    else this.#add("string", from, chunk);
  }

  /** Whether a value must follow here, rather than an operator between two. */
  #expectsValue(): boolean {
    const last = this.#tokens.at(-1);
    if (last === undefined) return true;
    if (last.kind === "word") return BEFORE_EXPRESSION.has(last.text);
    return last.kind === "punctuation" && !/^[)\]}]$/.test(last.text);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return undefined;
    this.#at += found.length;
    return found;
  }

  #add(kind: Token["kind"], start: number, text: string): void {
    this.#tokens.push({ kind, text, start, end: this.#at, isFirst: this.#isFirst });
    this.#isFirst = false;
  }
}

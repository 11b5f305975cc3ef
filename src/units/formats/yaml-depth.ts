import type * as Yaml from "yaml";
import type { Span } from "../source.js";

const FLOW_DEPTH_LIMIT = 100;
/** A line that is indented further than this is nested too deeply, whatever its contents. */
const COLUMN_LIMIT = 400;

/** Marks of the lexer that are no characters of the text: a document, an invalid flow, a scalar that follows. */
const DOCUMENT_MARK = "\u0002";
const FLOW_END_MARK = "\u0018";
const SCALAR_MARK = "\u001f";

/**
 * The first place of a YAML text whose nesting is too deep for its parser. The parser is recursive:
 * a megabyte of `[` would end the process instead of throwing an exception. It reads only tokens.
 */
export function findDeepNesting(yaml: typeof Yaml, text: string): Span | undefined {
  let at = 0;
  let lineStart = 0;
  let isLineStart = true;
  let isScalar = false;
  let flowDepth = 0;
  for (const token of new yaml.Lexer().lex(text)) {
    if (token === DOCUMENT_MARK || token === FLOW_END_MARK || token === SCALAR_MARK) {
      isScalar = token === SCALAR_MARK;
      continue;
    }
    if (!isScalar) flowDepth += flowStep(token);
    const isBlank = !isScalar && /^[\s#]/.test(token);
    const mayNest = isLineStart || (!isScalar && (token === "-" || token === "?"));
    const isFar = flowDepth === 0 && mayNest && !isBlank && at - lineStart > COLUMN_LIMIT;
    if (isFar || flowDepth > FLOW_DEPTH_LIMIT) return { start: at, end: at + 1 };

    const newline = token.lastIndexOf("\n");
    if (newline >= 0) lineStart = at + newline + 1;
    isLineStart = newline >= 0 || (isLineStart && isBlank);
    isScalar = false;
    at += token.length;
  }
  return undefined;
}

function flowStep(token: string): number {
  if (token === "[" || token === "{") return 1;
  return token === "]" || token === "}" ? -1 : 0;
}

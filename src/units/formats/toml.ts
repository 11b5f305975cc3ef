import { parse, TomlError } from "smol-toml";
import type { ParsedDocument, SyntaxProblem } from "./parsed-document.js";
import { findLineStarts, type Path } from "../source.js";
import { TomlPositions } from "./toml-positions.js";

/**
 * Parses TOML into plain values; tables have no prototype, so that a key like `constructor` is a key and nothing
 * else. It refuses only `__proto__`, as for YAML. Line ends of strings over several lines are LF, for any line ends
 * in the file.
 */
export function parseToml(text: string): ParsedDocument {
  try {
    const lines = text.replaceAll("\r\n", "\n");
    const value = parse(lines, { unsafeKeyBehaviour: "keep", integersAsBigInt: "asNeeded" });
    const unsafe = MAY_BE_UNSAFE.test(text) ? unsafePaths(value) : [];
    if (unsafe.length > 0) return refuseUnsafe(text, unsafe);
    return { ok: true, value, makePositions: () => new TomlPositions(text) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const start = (findLineStarts(text)[error.line - 1] ?? 0) + error.column - 1;
    // The later lines of the message are an excerpt of the text, which is as long as its longest line.
    const message = error.message.split("\n", 1).join("").replace("Invalid TOML document: ", "");
    return {
      ok: false,
      problems: [{ ...inOurWords(message, text, start), span: { start, end: start + 1 } }],
    };
  }
}

/** The parser's messages for two common mistakes do not help. */
function inOurWords(message: string, text: string, at: number): Pick<SyntaxProblem, "message" | "hint"> {
  const isAtLineEnd = at >= text.length || text[at] === "\n" || text[at] === "\r";
  if (message === "unfinished string" || (message.startsWith("control characters") && isAtLineEnd)) {
    return { message: "string is not closed" };
  }
  if (message !== "illegal character in key" || text[at] !== "+") return { message };
  const before = text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
  const [, path = "", key = ""] = /((?:[\w-]+\.)*)([\w-]+)$/.exec(before) ?? [];
  return { message, hint: key === "" ? undefined : `write ${path}"${key}+"` };
}

const UNSAFE = "__proto__";
/** A document with such a key contains the key itself, or an escape. */
const MAY_BE_UNSAFE = /__proto__|\\[uUx]/;
const UNSAFE_LIMIT = 20;

/** The paths of the keys that it refuses. Recursive: the parser bounds the depth. */
function unsafePaths(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null || value instanceof Date) return [];
  return Object.entries(value).flatMap(([key, below]) => {
    const step = Array.isArray(value) ? Number(key) : key;
    return key === UNSAFE ? [[...path, key]] : unsafePaths(below, [...path, step]);
  });
}

function refuseUnsafe(text: string, paths: readonly Path[]): ParsedDocument {
  const positions = new TomlPositions(text);
  const problems = paths.slice(0, UNSAFE_LIMIT).map((path) => ({
    message: "document contains an unsafe property",
    span: positions.find(path, "key") ?? { start: 0, end: 0 },
  }));
  return { ok: false, problems };
}

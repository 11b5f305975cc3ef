import { parse, TomlError } from "smol-toml";
import type { ParsedDocument } from "./parsed-document.js";
import { findLineStarts } from "../source.js";
import { TomlPositions } from "./toml-positions.js";

/**
 * Parses TOML into plain values; tables have no prototype, so that a key like `toString` is a key and nothing else.
 * `__proto__` and `constructor` as keys are refused by the parser.
 */
export function parseToml(text: string): ParsedDocument {
  try {
    const value = parse(text, { unsafeKeyBehaviour: "throw", integersAsBigInt: "asNeeded" });
    return { ok: true, value, makePositions: () => new TomlPositions(text) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const start = (findLineStarts(text)[error.line - 1] ?? 0) + error.column - 1;
    // The rest of the message is an excerpt of the text, which is as long as its longest line.
    const message = error.message.split("\n", 1).join("").replace("Invalid TOML document: ", "");
    return { ok: false, problems: [{ message, span: { start, end: start + 1 } }] };
  }
}

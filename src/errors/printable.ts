import { requestError } from "./sluice-error.js";

/**
 * Characters that change how a terminal shows the text around them: controls of ASCII and of Latin-1, marks of
 * direction, and ends of lines other than `\n`. The characters of a class in a regular expression.
 */
const CONTROL_RANGES = "\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069";
const CONTROLS = new RegExp(`[${CONTROL_RANGES}]`);
const EACH_CONTROL = new RegExp(CONTROLS, "g");
const COLOUR_OR_CONTROL = new RegExp(`\\u001b\\[[\\d;]*m|[${CONTROL_RANGES}]`, "g");
const EACH_NON_ASCII_CONTROL = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Whether a text has such a character, including `\n` and `\t`. */
export function hasControls(text: string): boolean {
  return CONTROLS.test(text);
}

/**
 * Text that is safe to print: lines and tabs stay, every other control character is escaped, for example as `\x1b`.
 */
export function escapeControls(text: string): string {
  if (!CONTROLS.test(text)) return text;
  return text.replace(EACH_CONTROL, (char) => (char === "\n" || char === "\t" ? char : escaped(char)));
}

/** The same for the output of programs on a terminal. It keeps their colours. */
export function escapeAllButColours(text: string): string {
  if (!CONTROLS.test(text)) return text;
  return text.replace(COLOUR_OR_CONTROL, (found) =>
    found === "\n" || found === "\t" || found.length > 1 ? found : escaped(found),
  );
}

/** Foreign text within a line of ours. */
export function onOneLine(text: string): string {
  return CONTROLS.test(text) ? text.replace(EACH_CONTROL, escaped) : text;
}

/** Foreign text at the end of a line of ours. It indents further lines, so that none looks like one of ours. */
export function indentLines(text: string): string {
  return escapeControls(text).replace(/\n(?!$)/g, "\n  ");
}

/**
 * JSON in one line, without a character that a terminal would not show as it is.
 * @throws SluiceError BROKER_REQUEST `EINVAL` for a value that is nested too deeply
 */
export function printableJson(value: unknown): string {
  try {
    return printableText(JSON.stringify(value));
  } catch (error) {
    if (error instanceof RangeError) throw requestError("EINVAL", "nested too deeply", error);
    throw error;
  }
}

/** JSON without a character that a terminal would not show as it is. */
export function printableText(json: string): string {
  return json.replace(EACH_NON_ASCII_CONTROL, codePoint);
}

function escaped(char: string): string {
  return SHORT[char] ?? (char < "\u0100" ? `\\x${hex(char, 2)}` : codePoint(char));
}

function codePoint(char: string): string {
  return `\\u${hex(char, 4)}`;
}

function hex(char: string, digits: number): string {
  return char.charCodeAt(0).toString(16).padStart(digits, "0");
}

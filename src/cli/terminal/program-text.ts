import { escapeAllButColours, escapeControls } from "../../errors/index.js";
import { hasColours } from "./colours.js";

/** Sequences that set colours and weight (ECMA-48 SGR). */
// eslint-disable-next-line no-control-regex -- the expression looks for exactly these
const COLOURS = /\u001b\[[\d;]*m/g;

const RESET = "\u001b[0m";

/**
 * A line of a program, safe for standard output: its colours pass on a terminal and are removed elsewhere. Every
 * other control character is escaped.
 */
export function programText(text: string, isColoured = hasColours(process.stdout)): string {
  if (!text.includes("\u001b")) return escapeControls(text);
  const plain = text.replaceAll(COLOURS, "");
  if (!isColoured) return escapeControls(plain);
  return plain === text ? escapeControls(text) : escapeAllButColours(text) + RESET;
}

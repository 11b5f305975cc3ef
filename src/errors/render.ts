import type { Diagnostic, Location } from "./diagnostic.js";
import { hasControls } from "./printable.js";

/** `PATH:LINE:COL`. */
export function formatLocation(location: Location): string {
  return `${location.file}:${location.line}:${location.column}`;
}

/** The report cuts longer source lines around the caret, because a megabyte on one line must not fill a screen. */
const EXCERPT_WIDTH = 160;

/**
 * A diagnostic as lines of text for users (docs/design/cli.md §1). The lines are
 * `PATH:LINE:COL: MESSAGE [CODE]`, the source line with a caret under it, related places, and the hint. A
 * diagnostic without a place has only the message.
 */
export function renderDiagnostic(diagnostic: Diagnostic): string {
  const { location, message, code, related, hint, severity } = diagnostic;
  const label = severity === "warning" ? "warning: " : "";
  const lines = [
    location === undefined
      ? `${label}${message}`
      : `${formatLocation(location)}: ${label}${message} [${code}]`,
  ];
  if (location !== undefined) lines.push(...excerpt(location));
  for (const item of related) {
    lines.push(`  ${item.location === undefined ? "" : `${formatLocation(item.location)}: `}${item.message}`);
  }
  if (hint !== undefined) lines.push(`  hint: ${hint}`);
  return lines.join("\n");
}

function excerpt(location: Location): string[] {
  const { sourceLine, column, line, endLine, endColumn } = location;
  if (sourceLine === undefined) return [];
  const start = Math.max(0, Math.min(column - 1 - EXCERPT_WIDTH / 2, sourceLine.length - EXCERPT_WIDTH));
  const shown = printable(sourceLine.slice(start, start + EXCERPT_WIDTH));
  const width = endLine === line ? Math.max(1, endColumn - column) : 1;
  const at = column - 1 - start;
  const room = Math.max(1, shown.length - at);
  // Tabs stay tabs, so that the caret lines up for any width of tabs on the terminal.
  const indent = shown.slice(0, at).replace(/[^\t]/g, " ");
  return [`  ${shown}`, `  ${indent}${"^".repeat(Math.min(width, room))}`];
}

/** Control characters of a hostile file must not reach the terminal. Each keeps its width, for the caret below. */
function printable(text: string): string {
  return text.replace(/[^\t]/gu, (char) => (hasControls(char) ? "\u00b7" : char));
}

import type { LogLevel } from "../../messages/index.js";
import { colouredDiagnostic, coloursFor } from "./colours.js";
import { journalLines } from "./journal.js";
import {
  type Diagnostic,
  escapeControls,
  indentLines,
  messageOf,
  onOneLine,
  printableJson,
  printableText,
  renderDiagnostic,
} from "../../errors/index.js";

/** Writes a result to standard output, with control characters escaped. */
export function printLine(text: string): void {
  process.stdout.write(`${escapeControls(text)}\n`);
}

/** Writes a result with colours of ours. Its parts from other sources are escaped already. */
export function printStyled(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes a JSON result to standard output, compact on one line for scripts. */
export function printJson(value: unknown): void {
  printStyled(printableJson(value));
}

/** As {@link printJson}, for the entries of an object, in their order. */
export function printJsonOf(entries: Iterable<readonly [name: string, value: unknown]>): void {
  const chunks: string[] = [];
  let chunk: string[] = [];
  for (const [name, value] of entries) {
    chunk.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
    if (chunk.length < ENTRIES_OF_CHUNK) continue;
    chunks.push(printableText(chunk.join(",")));
    chunk = [];
  }
  if (chunk.length > 0) chunks.push(printableText(chunk.join(",")));
  printStyled(`{${chunks.join(",")}}`);
}

/** The number of entries joined at a time: a text of tens of thousands of pieces takes more memory than the joined text. */
const ENTRIES_OF_CHUNK = 1000;

/** Writes a message to standard error, with control characters escaped; for the journal of systemd with its level. */
export function say(text: string, level: LogLevel = "info"): void {
  process.stderr.write(`${journalLines(escapeControls(text), level)}\n`);
}

/** The name of the running command in messages: `sluice-module`. */
export function commandPrefix(): string {
  const name = process.argv[2];
  return name === undefined ? "sluice" : `sluice-${name}`;
}

/** The error of a command that failed after it printed the reason, or that has its own status. */
export class ExitError extends Error {
  readonly status: number;
  /** Why it failed, if the command has printed the details before. */
  readonly summary: string | undefined;
  constructor(status: number, message = "", summary?: string) {
    super(message);
    this.status = status;
    this.summary = summary;
  }
}

/** Wrong usage: status 2. */
export class UsageError extends ExitError {
  constructor(message: string) {
    super(2, message);
  }
}

/** The problems of files that other processes of the same instance have printed, and a listener for those of this process. */
let memory: { readonly known: ReadonlySet<string>; readonly tell: (text: string) => void } | undefined;

/**
 * Prints each problem once for several processes, such as rc1 and rc3 of an instance.
 * @param known those that another process has already printed
 * @param tell receives each problem that this process prints
 */
export function shareDiagnostics(known: readonly string[], tell: (text: string) => void): void {
  memory = { known: new Set(known), tell };
}

/** Prints every diagnostic to standard error, each with its place, source line and hint. */
export function sayDiagnostics(diagnostics: readonly Diagnostic[], prefix: string): void {
  for (const diagnostic of diagnostics) {
    const text = renderDiagnostic(diagnostic);
    if (memory?.known.has(text) === true) continue;
    memory?.tell(text);
    const level = diagnostic.severity === "error" ? "err" : diagnostic.severity;
    const shown = diagnostic.location === undefined ? `${prefix}: ${text}` : text;
    const colours = coloursFor(process.stderr);
    if (colours.isColorSupported)
      process.stderr.write(`${colouredDiagnostic(shown, diagnostic.severity, colours)}\n`);
    else say(shown, level);
  }
}

/** Prints an error as `PREFIX: MESSAGE`; with `SLUICE_DEBUG` set, its stack and causes too. */
export function sayError(error: unknown, prefix: string): void {
  say(`${prefix}: ${indentLines(messageOf(error))}`, "err");
  if (!process.env["SLUICE_DEBUG"]) return;
  for (let at: unknown = error; at instanceof Error; at = at.cause) say(at.stack ?? at.message, "debug");
}

/** Columns aligned: strings to the left, numbers to the right. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string[] {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === "string" ? onOneLine(cell) : cell)));
  const widths = head.map((title, i) =>
    Math.max(title.length, ...cells.map((row) => String(row[i] ?? "").length)),
  );
  const line = (row: readonly (string | number)[], sample: readonly (string | number)[]): string =>
    row
      .map((cell, i) =>
        typeof sample[i] === "number"
          ? String(cell).padStart(widths[i] ?? 0)
          : String(cell).padEnd(widths[i] ?? 0),
      )
      .join(" ")
      .trimEnd();
  return [line(head, cells[0] ?? head), ...cells.map((row) => line(row, row))];
}

import { type Diagnostic, messageOf, renderDiagnostic } from "../../errors/index.js";

/** Writes a result to standard output. */
export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes a JSON result to standard output: compact on one line, which is what scripts read. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value));
}

/** Talk, to standard error. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** What the command that runs calls itself in messages: `sluice-module`. */
export function commandPrefix(): string {
  const name = process.argv[2];
  return name === undefined ? "sluice" : `sluice-${name}`;
}

/** A command that failed after it said why, or that has its own status. */
export class ExitError extends Error {
  readonly status: number;
  /** Why it failed, where that was said in more words before. */
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

/** Prints every diagnostic to standard error, each with its place, source line and hint. */
export function sayDiagnostics(diagnostics: readonly Diagnostic[], prefix: string): void {
  for (const diagnostic of diagnostics) {
    const text = renderDiagnostic(diagnostic);
    say(diagnostic.location === undefined ? `${prefix}: ${text}` : text);
  }
}

/** Prints an error as `PREFIX: MESSAGE`; with `SLUICE_DEBUG` set, its stack and causes too. */
export function sayError(error: unknown, prefix: string): void {
  say(`${prefix}: ${messageOf(error)}`);
  if (!process.env["SLUICE_DEBUG"]) return;
  for (let at: unknown = error; at instanceof Error; at = at.cause) say(at.stack ?? at.message);
}

/** Columns aligned: strings to the left, numbers to the right. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string[] {
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => String(row[i] ?? "").length)),
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
  return [line(head, rows[0] ?? head), ...rows.map((row) => line(row, row))];
}

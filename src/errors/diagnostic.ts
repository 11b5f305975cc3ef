import type { ErrorCode } from "./codes.js";

/** A place in a file. Lines and columns count from 1, columns in UTF-16 units. The end is exclusive. */
export interface Location {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  /** The text of the first line, for the caret. */
  readonly sourceLine?: string;
}

/**
 * The origin of a value: a place in a file, or another named source, such as an environment variable or a flag.
 * `location` may be computed only when it is read.
 */
export interface Origin {
  /** For people: `PATH:LINE:COL`, or e.g. `environment FLUX_MODPROBE_DISABLE`. */
  readonly label: string;
  /** Place of the value in a file; absent for other origins. */
  readonly location: Location | undefined;
}

/** Another place that belongs to a diagnostic: the first definition of a duplicate, or an edge of a cycle. */
export interface Related {
  readonly message: string;
  readonly location: Location | undefined;
}

/** One error or warning about a user's input. Invalid input is data, never an exception. */
export interface Diagnostic {
  readonly code: ErrorCode;
  readonly severity: "error" | "warning";
  readonly message: string;
  /** Absent when the mistake is not in a file, e.g. in a flag. */
  readonly location?: Location | undefined;
  readonly related: readonly Related[];
  /** The remedy, e.g. `did you mean 'kvs'?`. */
  readonly hint?: string | undefined;
}

/**
 * Either a value, perhaps with warnings, or all errors and warnings. They are in the order of their places.
 */
export type Result<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

export function succeed<T>(value: T, warnings: readonly Diagnostic[] = []): Result<T> {
  return { ok: true, value, warnings };
}

/** Each diagnostic once: one invalid directory, for example, causes the same problem for many files. */
export function fail(diagnostics: readonly Diagnostic[]): Result<never> {
  return { ok: false, diagnostics: [...new Set(diagnostics)].sort(compareDiagnostics) };
}

/** The sorting order of reports: reports without a place first, then by file, line, column and message. */
export function compareDiagnostics(a: Diagnostic, b: Diagnostic): number {
  const left = a.location;
  const right = b.location;
  if (left === undefined || right === undefined) {
    return Number(left !== undefined) - Number(right !== undefined) || compareText(a.message, b.message);
  }
  return (
    compareText(left.file, right.file) ||
    left.line - right.line ||
    left.column - right.column ||
    compareText(a.message, b.message)
  );
}

/** By UTF-16 unit, the same on every machine with any locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

import type { Positions, Span } from "../source.js";

/** A problem in the text of a document, and its place. */
export interface SyntaxProblem {
  readonly message: string;
  readonly span: Span;
  readonly hint?: string | undefined;
}

/** Plain values, and a function for their places; or the errors of an invalid text. */
export type ParsedDocument =
  | { readonly ok: true; readonly value: unknown; readonly makePositions: () => Positions }
  | { readonly ok: false; readonly problems: readonly SyntaxProblem[] };

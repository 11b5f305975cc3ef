import type { Positions, Span } from "../source.js";

/** A problem in the text of a document, and its place. */
export interface SyntaxProblem {
  readonly message: string;
  readonly span: Span;
  readonly hint?: string | undefined;
}

/** Plain values, and how to find their places; or why there are none. */
export type ParsedDocument =
  | { readonly ok: true; readonly value: unknown; readonly makePositions: () => Positions }
  | { readonly ok: false; readonly problems: readonly SyntaxProblem[] };

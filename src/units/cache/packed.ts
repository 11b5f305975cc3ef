/**
 * The contents of a valid file, in few and large pieces that load quickly. `codes` is a row of whole numbers: the
 * numbers of texts and values, and the lengths of lists.
 */
export interface Packed {
  /** Every text once. */
  readonly texts: readonly string[];
  /** Values that are not lists of texts. */
  readonly values: readonly unknown[];
  /** The numbers of the values that are tables without a prototype, in the form that parsers make. */
  readonly bare: readonly number[];
  readonly codes: Int32Array;
}

/** Raised when {@link Packed} or its use changes. */
export const PACKED_FORMAT = 1;

/** The forms of a value in `codes`. */
export const LIST = 0;
export const VALUE = 1;

/** The kinds of a unit, of an edit of a list and of a change, as `codes` numbers them. */
export const UNIT_KINDS = ["module", "task"] as const;
export const EDITS = ["+", "-", "append"] as const;
export const CHANGES = ["update", "alternative"] as const;

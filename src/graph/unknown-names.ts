import { type Diagnostic, didYouMean, type Origin } from "../errors/index.js";
import type { Catalog } from "../units/index.js";

/** A name without a unit or service, and the origin that named it. */
export interface UnknownName {
  readonly name: string;
  readonly origin: Origin | undefined;
  /** The unit that requires it; undefined for a root. */
  readonly requiredBy?: string | undefined;
}

/** Each suggestion compares all names; the errors after this number come without one. */
const SUGGESTIONS = 20;

/**
 * `no such task or module s`, with its origin and names that the user may have meant (docs/design/planning.md §4).
 */
export function unknownNameErrors(catalog: Catalog, names: readonly UnknownName[]): Diagnostic[] {
  return names.map(({ name, origin, requiredBy }, i) => ({
    code: "GRAPH_UNKNOWN_NAME",
    severity: "error",
    message: `no such task or module ${name}`,
    location: origin?.location,
    related: [
      ...(requiredBy === undefined ? [] : [{ message: `required by ${requiredBy}`, location: undefined }]),
      ...(origin === undefined || origin.location !== undefined
        ? []
        : [{ message: `named by ${origin.label}`, location: undefined }]),
    ],
    hint: i < SUGGESTIONS ? didYouMean(name, catalog.providers.keys()) : undefined,
  }));
}

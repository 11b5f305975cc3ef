import { parseDuration } from "../units/index.js";
import type { Attributes } from "./attributes.js";

/**
 * Reads a time to wait in the form of attributes: seconds, or a duration with a unit (docs/design/planning.md §1).
 * @returns milliseconds, Infinity for `infinity`; undefined if it is neither of them
 */
export function parseDelay(text: string): number | undefined {
  const parsed = parseDuration(/^\d{1,15}(\.\d{1,15})?$/.test(text) ? `${text}s` : text);
  return parsed.ok ? parsed.value.value : undefined;
}

/** An attribute whose text was checked to be a time, in milliseconds. */
export function delayOf(attributes: Attributes, name: string): number {
  return parseDelay(attributes.get(name) ?? "") ?? Infinity;
}

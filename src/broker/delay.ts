import { parseDuration } from "../units/index.js";
import type { Attributes } from "./attributes.js";

/**
 * Reads how long to wait, as attributes have it: seconds, or a duration with a unit (docs/design/planning.md §1).
 * @returns milliseconds, Infinity for `infinity`; undefined if it is neither
 */
export function parseDelay(text: string): number | undefined {
  const parsed = parseDuration(/^\d{1,15}(\.\d{1,15})?$/.test(text) ? `${text}s` : text);
  return parsed.ok ? parsed.value.value : undefined;
}

/** An attribute that was checked to be such a time, in milliseconds. */
export function delayOf(attributes: Attributes, name: string): number {
  return parseDelay(attributes.get(name) ?? "") ?? Infinity;
}

import { InvalidArgumentError } from "commander";

/** A whole number of at least 1. */
export function positiveInteger(text: string): number {
  const value = wholeNumber(text);
  if (value < 1) throw new InvalidArgumentError("must be at least 1.");
  return value;
}

/** A whole number of at least 0. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError("must be a whole number.");
  return Number(text);
}

/** Seconds, perhaps with a fraction. */
export function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError("must be a number of seconds.");
  return value;
}

/** `NAME=VALUE`. */
export function assignment(text: string): readonly [name: string, value: string] {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("must be NAME=VALUE.");
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Collects the values of an option that the user may give several times. */
export function collect<T>(
  parse: (text: string) => T,
): (text: string, before: readonly T[] | undefined) => readonly T[] {
  return (text, before) => [...(before ?? []), parse(text)];
}

import { requestError } from "../../errors/index.js";

/**
 * The arguments of a module as `key=value` pairs; of equal keys the last one counts.
 * @param known allowed keys
 * @throws `EINVAL` naming an argument of another form or with an unknown key
 */
export function keyValues<K extends string>(
  args: readonly string[],
  known: readonly K[],
): Readonly<Partial<Record<K, string>>> {
  const values: Partial<Record<K, string>> = {};
  for (const argument of args) {
    const equals = argument.indexOf("=");
    const key = known.find((candidate) => candidate === argument.slice(0, Math.max(0, equals)));
    if (key === undefined) throw requestError("EINVAL", `unknown argument '${argument}'`);
    values[key] = argument.slice(equals + 1);
  }
  return values;
}

/**
 * A number of an argument, within bounds.
 * @throws `EINVAL`
 */
export function numberWithin(name: string, text: string, [low, high]: readonly [number, number]): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (value >= low && value <= high) return value;
  throw requestError("EINVAL", `${name} must be a number from ${low} to ${high}, not '${text}'`);
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads a time to wait in the form of the broker's attributes: seconds, or a number with `ms`, `s`, `m`, `h` or `d`,
 * or `infinity`.
 * @returns milliseconds; undefined for any other text
 */
export function parseDelayMs(text: string): number | undefined {
  if (text === "infinity") return Infinity;
  const [, number, unit = "s"] = /^(\d{1,15}(?:\.\d{1,15})?)(ms|s|m|h|d)?$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit];
  return number === undefined || unitMs === undefined ? undefined : Number(number) * unitMs;
}

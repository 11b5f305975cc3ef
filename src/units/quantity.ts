import type { Parsed } from "./rank-set.js";
import { quoted } from "./text.js";

/** A duration or a size: the text as written, and the number that it stands for. */
export interface Quantity {
  readonly text: string;
  readonly value: number;
}

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 };

const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/**
 * Reads a duration (docs/design/planning.md §1): `infinity`, or a number with a unit `ms`, `s`, `m`, `h`, `d`.
 * @returns milliseconds
 */
export function parseDuration(text: string): Parsed<Quantity> {
  if (text === "infinity") return { ok: true, value: { text, value: Infinity } };
  return parseQuantity(text, MS_PER_UNIT, `invalid duration ${quoted(text)}`);
}

/**
 * Reads a size: a number with a unit `B`, `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB`, `TiB`.
 * @returns a whole number of bytes, at least one
 */
export function parseSize(text: string): Parsed<Quantity> {
  const message = `invalid size ${quoted(text)}`;
  const parsed = parseQuantity(text, BYTES_PER_UNIT, message);
  if (!parsed.ok) return parsed;
  const bytes = Math.round(parsed.value.value);
  return bytes >= 1 ? { ok: true, value: { text, value: bytes } } : { ok: false, message };
}

function parseQuantity(
  text: string,
  units: Readonly<Record<string, number>>,
  message: string,
): Parsed<Quantity> {
  const match = /^(\d{1,15}(?:\.\d{1,15})?)([A-Za-z]{1,3})$/.exec(text);
  const unit = match?.[2];
  const factor = unit !== undefined && Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (match === null || factor === undefined) return { ok: false, message };
  return { ok: true, value: { text, value: Number(match[1]) * factor } };
}

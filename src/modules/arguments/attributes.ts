import { requestError } from "../../errors/index.js";
import type { Handle } from "../../messages/index.js";
import { parseDelayMs } from "./delay.js";

/**
 * The duration in an attribute, in milliseconds; `fallback` if it is not set.
 * @throws `EINVAL` for an invalid duration
 */
export async function delayAttribute(h: Handle, name: string, fallback: string): Promise<number> {
  const text = (await h.attr(name)) ?? fallback;
  const ms = parseDelayMs(text);
  if (ms === undefined) throw requestError("EINVAL", `${name} must be a duration such as 30s, not '${text}'`);
  return ms;
}

/**
 * The whole number in an attribute; `fallback` if it is not set.
 * @throws `EINVAL` for an invalid whole number
 */
export async function countAttribute(h: Handle, name: string, fallback: number): Promise<number> {
  const text = (await h.attr(name)) ?? String(fallback);
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw requestError("EINVAL", `${name} must be a whole number, not '${text}'`);
}

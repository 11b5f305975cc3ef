import { messageOf, requestError } from "../../errors/index.js";
import type { JsonValue, Payload, RawPayload } from "../types.js";

/**
 * A program's payload in the form that is sent: JSON text for a JSON value, bytes unchanged.
 * @throws SluiceError `BROKER_REQUEST` with `EINVAL` for a value that JSON cannot express (a cycle, a bigint, a function)
 */
export function encodePayload(payload: Payload): RawPayload {
  if (payload === undefined || payload instanceof Uint8Array) return payload;
  let text: string | undefined;
  try {
    text = JSON.stringify(payload);
  } catch (cause) {
    const problem = cause instanceof RangeError ? "nested too deeply" : messageOf(cause);
    throw requestError("EINVAL", `JSON cannot express the payload: ${problem}`, cause);
  }
  // JavaScript callers may pass a function or a symbol in spite of the types; stringify then returns undefined.
  if (typeof text !== "string")
    throw requestError("EINVAL", `JSON cannot express the payload: a ${typeof payload}`);
  return text;
}

/**
 * A received payload in the form for a program: a JSON value, bytes, or undefined.
 * @throws SluiceError `BROKER_REQUEST` with `EPROTO` if the text is not JSON
 */
export function decodePayload(raw: RawPayload): Payload {
  if (typeof raw !== "string") return raw;
  try {
    return JSON.parse(raw) as JsonValue;
  } catch (cause) {
    throw requestError("EPROTO", `invalid JSON in the payload: ${messageOf(cause)}`, cause);
  }
}

/** Rough size of a payload for limits and tallies: bytes, or UTF-16 units of JSON text. */
export function payloadBytes(raw: RawPayload): number {
  return raw === undefined ? 0 : raw.length;
}

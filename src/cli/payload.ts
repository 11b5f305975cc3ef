import { messageOf } from "../errors/index.js";
import type { JsonValue, Payload } from "../messages/index.js";
import { readLimited } from "../processes/index.js";
import { UsageError } from "./terminal/output.js";

/**
 * The payload that an argument of the command line stands for.
 * @param argument JSON, or `-` for standard input
 */
export function readPayload(argument: string | undefined, raw: boolean): Payload {
  if (argument === undefined) return undefined;
  const bytes = argument === "-" ? readLimited("-") : Buffer.from(argument);
  return raw ? bytes : parseJson(bytes.toString("utf8"));
}

/** @throws UsageError if it is not JSON */
export function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new UsageError(`payload is not JSON: ${messageOf(error)}`);
  }
}

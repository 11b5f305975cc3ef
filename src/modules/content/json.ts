import { requestError } from "../../errors/index.js";
import type { JsonValue } from "../../messages/index.js";

/**
 * Parses stored JSON.
 * @throws `EIO` when it is not JSON
 */
export function parseJson(bytes: Uint8Array): JsonValue {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as JsonValue;
  } catch (error) {
    throw requestError("EIO", "the stored value is not JSON", error);
  }
}

import { requestError } from "../../errors/index.js";
import type { JsonValue, Payload } from "../types.js";

/** The configuration of a module. A reload replaces the whole. */
export class HandleConfiguration {
  #value: JsonValue;

  constructor(value: JsonValue) {
    this.#value = value;
  }

  get whole(): JsonValue {
    return this.#value;
  }

  replace(value: JsonValue): void {
    this.#value = value;
  }

  /** @param key table names joined by dots; without it, the whole */
  get(key?: string): JsonValue | undefined {
    if (key === undefined) return this.#value;
    let value: JsonValue | undefined = this.#value;
    for (const part of key.split(".")) {
      if (!isTable(value) || !Object.hasOwn(value, part)) return undefined;
      value = value[part];
    }
    return value;
  }
}

/**
 * The payload of a `config-reload`: the whole new configuration.
 * @throws SluiceError `BROKER_REQUEST` with `EPROTO` if it is no table
 */
export function readConfiguration(payload: Payload): JsonValue {
  if (payload instanceof Uint8Array || !isTable(payload)) {
    throw requestError("EPROTO", "the payload must be a configuration");
  }
  return payload;
}

function isTable(value: JsonValue | undefined): value is Readonly<Record<string, JsonValue>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

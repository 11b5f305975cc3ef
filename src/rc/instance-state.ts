import type { Handle, JsonValue, Payload } from "../messages/index.js";
import type { HostState, JsonObject } from "./host-protocol.js";

/** The hosts' copy of the instance's state, and its updates. Without an instance it never changes. */
export class InstanceState {
  readonly #handle: Handle | undefined;
  #current: HostState;
  /** Counts the calls of {@link setenv}. */
  #changes = 0;

  constructor(initial: HostState, handle: Handle | undefined) {
    this.#current = initial;
    this.#handle = handle;
  }

  get current(): HostState {
    return this.#current;
  }

  /**
   * Reads the state of the instance again.
   * @returns a function that reads all values that may have changed
   * @throws SluiceError `BROKER_REQUEST`
   */
  async refresh(): Promise<HostState> {
    const handle = this.#handle;
    if (handle === undefined) return {};
    const changes = this.#changes;
    const [attributes, configuration, environment] = await Promise.all([
      handle.rpc("attr.list"),
      handle.rpc("config.get", {}),
      handle.rpc("broker.getenv", {}),
    ]);
    // The answer may be older than a value that was set meanwhile.
    if (changes !== this.#changes) return this.refresh();
    const attrs = texts(objectIn(attributes, "attrs"));
    const brokerEnv = texts(objectIn(environment, "env"));
    const changed = { attrs, config: objectIn(configuration, "value"), brokerEnv };
    this.#current = { ...this.#current, ...changed };
    return changed;
  }

  /**
   * Sets variables in the broker.
   * @throws SluiceError `BROKER_REQUEST`
   */
  async setenv(env: Readonly<Record<string, string | null>>): Promise<void> {
    const brokerEnv = new Map(Object.entries(this.#current.brokerEnv ?? {}));
    this.#changes += 1;
    for (const name of Object.keys(env)) brokerEnv.delete(name);
    this.#current = { ...this.#current, brokerEnv: Object.fromEntries(brokerEnv) };
    await this.#handle?.rpc("broker.setenv", { env });
  }
}

/** A field of a response that should be an object; an empty object if the field is missing. */
function objectIn(payload: Payload, field: string): JsonObject {
  const value = isObject(payload) ? payload[field] : undefined;
  return isObject(value) ? value : {};
}

function isObject(value: Payload): value is JsonObject {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

function texts(values: Readonly<Record<string, JsonValue>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

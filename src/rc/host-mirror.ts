import type { JsonValue } from "../messages/index.js";
import type { HostState, JsonObject, ModuleOptionEdit } from "./host-protocol.js";

/**
 * A host's copy of the runner's state, so that reading it never waits. The runner has the valid state. A host changes
 * its copy and sends the change to the runner, which sends it to the other hosts.
 */
export class HostMirror {
  rank = 0;
  #attrs: Readonly<Record<string, string>> = {};
  #config: JsonObject = {};
  #brokerEnv: Readonly<Record<string, string>> = {};
  readonly #data = new Map<string, JsonValue>();
  #args = new Map<string, readonly string[]>();
  #providers: Readonly<Record<string, string>> = {};
  readonly #env: NodeJS.ProcessEnv;

  /** @param env the environment of this process, which the mirror keeps up to date */
  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  update(state: HostState): void {
    this.rank = state.rank ?? this.rank;
    this.#attrs = state.attrs ?? this.#attrs;
    this.#config = state.config ?? this.#config;
    this.#brokerEnv = state.brokerEnv ?? this.#brokerEnv;
    this.#providers = state.providers ?? this.#providers;
    if (state.args !== undefined) this.#args = new Map(Object.entries(state.args));
    for (const [key, value] of Object.entries(state.data ?? {})) this.#data.set(key, value);
    if (state.env !== undefined) this.setEnv(state.env);
  }

  attr(name: string): string | undefined {
    return own(this.#attrs, name);
  }

  /** @param key dotted; it sets no key below a plain value */
  conf(key: string): JsonValue | undefined {
    let value: JsonValue | undefined = this.#config;
    for (const word of key.split(".")) {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
      value = own(value as JsonObject, word);
    }
    return value;
  }

  env(name: string): string | undefined {
    return this.#env[name] ?? own(this.#brokerEnv, name);
  }

  setEnv(values: Readonly<Record<string, string | null>>): void {
    const brokerEnv = { ...this.#brokerEnv };
    for (const [name, value] of Object.entries(values)) {
      // Variables of the environment are few and people make up their names. A computed delete is therefore
      // right here.
      if (value === null) Reflect.deleteProperty(this.#env, name);
      else this.#env[name] = value;
      Reflect.deleteProperty(brokerEnv, name);
    }
    this.#brokerEnv = brokerEnv;
  }

  data(key: string): JsonValue | undefined {
    return this.#data.get(key);
  }

  setData(key: string, value: JsonValue): void {
    this.#data.set(key, value);
  }

  args(name: string): readonly string[] {
    return this.#args.get(this.#moduleOf(name)) ?? [];
  }

  setArgs({ module, options, overwrite }: ModuleOptionEdit): void {
    const name = this.#moduleOf(module);
    this.#args.set(name, overwrite ? options : [...this.args(name), ...options]);
  }

  #moduleOf(name: string): string {
    return own(this.#providers, name) ?? name;
  }
}

/** A value of a record with foreign keys: `constructor` is a key only if the record has it. */
function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

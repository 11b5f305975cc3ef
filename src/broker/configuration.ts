import { isErrno, messageOf, requestError } from "../errors/index.js";
import type { JsonValue } from "../messages/index.js";
import { type ConfigTable, configToJson } from "../units/index.js";

/** A configuration in the form that modules receive. */
export type JsonObject = Readonly<Record<string, JsonValue>>;

/** The part of the broker that the configuration uses. */
export interface ConfigHost {
  /** Returns the problems of a configuration, before any module gets it; undefined without problems. */
  check(config: JsonObject): string | undefined;
  /** Reads the configuration again from its source; undefined if it came from no file. */
  readonly read: (() => Promise<ConfigTable>) | undefined;
  /** Names of the modules that get the configuration. */
  modules(): readonly string[];
  /** Sends it to one module. Rejects if the module refuses it, or with `ETIMEDOUT` if it does not answer in time. */
  tell(module: string, config: JsonObject): Promise<void>;
  /** Logs the problems after a change that was undone. */
  warn(text: string): void;
  /** Called when a change begins, and when it is complete, refused or undone. */
  changing?(isUnderWay: boolean): void;
}

/** The configuration of one broker. It changes as a whole or stays as it was (docs/design/instance.md §3). */
export class Configuration {
  readonly #host: ConfigHost;
  #current: JsonObject;
  /** It makes one change after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(initial: ConfigTable, host: ConfigHost) {
    this.#current = configToJson(initial);
    this.#host = host;
  }

  get current(): JsonObject {
    return this.#current;
  }

  /**
   * Replaces the configuration, and resolves when every module has taken it.
   * @throws SluiceError BROKER_REQUEST `EINVAL` if it is not valid or a module refused it; the broker then keeps the
   *   old one
   */
  load(config: JsonObject): Promise<void> {
    return this.#inTurn(() => this.#change(config));
  }

  /**
   * Reads the configuration again from its files.
   * @throws SluiceError as {@link load}; `ENOENT` if it came from no file
   */
  reload(): Promise<void> {
    return this.#inTurn(async () => this.#change(configToJson(await this.#read())));
  }

  /**
   * The configuration after a change, and the current one; informs no module.
   * @param config undefined: the contents of its files
   * @throws SluiceError as {@link load} and {@link reload}, without refusals of modules
   */
  async check(config?: JsonObject): Promise<{ readonly config: JsonObject; readonly before: JsonObject }> {
    const wanted = config ?? configToJson(await this.#read());
    this.#refuseInvalid(wanted);
    return { config: wanted, before: this.#current };
  }

  /** Sends the configuration to a module that started with another one, because of a change during its start. */
  async catchUp(module: string, startedWith: JsonValue): Promise<void> {
    if (startedWith === this.#current) return;
    const [result] = await Promise.allSettled([this.#host.tell(module, this.#current)]);
    if (result.status === "fulfilled" || this.#isNoConcern(module, result.reason)) return;
    this.#host.warn(`${module} did not accept the new configuration: ${messageOf(result.reason)}`);
  }

  async #read(): Promise<ConfigTable> {
    const { read } = this.#host;
    if (read !== undefined) return read();
    throw requestError("ENOENT", "a reload needs a configuration file; start with -c");
  }

  #refuseInvalid(config: JsonObject): void {
    const problem = this.#host.check(config);
    if (problem !== undefined) throw requestError("EINVAL", problem);
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const result = this.#last.then(async () => {
      this.#host.changing?.(true);
      try {
        await change();
      } finally {
        this.#host.changing?.(false);
      }
    });
    this.#last = Promise.allSettled([result]).then(() => undefined);
    return result;
  }

  async #change(config: JsonObject): Promise<void> {
    this.#refuseInvalid(config);
    const before = this.#current;
    // This comes first, so that a module that loads meanwhile starts with the new configuration.
    this.#current = config;
    const modules = this.#host.modules();
    const results = await Promise.allSettled(modules.map((name) => this.#host.tell(name, config)));
    const failures = modules.flatMap((name, i) => {
      const result = results[i];
      const isFailure = result?.status === "rejected" && !this.#isNoConcern(name, result.reason);
      return isFailure ? [{ name, reason: result.reason as unknown }] : [];
    });
    const [first] = failures;
    if (first === undefined) return;
    this.#current = before;
    // A module that has not answered takes the new configuration later, and then the old one. The broker need not
    // wait for that.
    const late = failures.filter(({ reason }) => isErrno(reason, "ETIMEDOUT")).map(({ name }) => name);
    void this.#putBack(late, before);
    const refusing = new Set(failures.map(({ name }) => name));
    await this.#putBack(
      modules.filter((name) => !refusing.has(name)),
      before,
    );
    throw requestError("EINVAL", `${first.name}: ${messageOf(first.reason)}`, first.reason);
  }

  async #putBack(modules: readonly string[], config: JsonObject): Promise<void> {
    const results = await Promise.allSettled(modules.map((name) => this.#host.tell(name, config)));
    for (const [i, result] of results.entries()) {
      const name = modules[i] ?? "";
      if (result.status === "fulfilled" || this.#isNoConcern(name, result.reason)) continue;
      this.#host.warn(`${name} did not return to the old configuration: ${messageOf(result.reason)}`);
    }
  }

  /**
   * A module that is being removed, or that has no handler for it, cannot refuse a configuration. A module that
   * crashes on a configuration does refuse it.
   */
  #isNoConcern(module: string, error: unknown): boolean {
    return isErrno(error, "ENOSYS") || !this.#host.modules().includes(module);
  }
}

/** The value at a dotted key, or undefined. */
export function lookUp(config: JsonObject, key: string): JsonValue | undefined {
  let value: JsonValue | undefined = config;
  for (const word of key.split(".")) {
    if (!isObject(value) || !Object.hasOwn(value, word)) return undefined;
    value = value[word];
  }
  return value;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

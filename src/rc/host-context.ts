import { format } from "node:util";
import { messageOf, SluiceError } from "../errors/index.js";
import type { Handle, JsonValue, Payload, RpcOptions } from "../messages/index.js";
import type { Context } from "./context.js";
import type { HostMirror } from "./host-mirror.js";
import { commandEndText, isSuccess, type ProcessEnd, processEnd, startProcess } from "../processes/index.js";
import type { FromHost, ModuleOptionEdit, SetupEffect } from "./host-protocol.js";
import type { StandIns } from "./stand-ins/stand-ins.js";

/** The part of a host that a context uses. */
export interface ContextHost {
  readonly mirror: HostMirror;
  send(message: FromHost): void;
  /** Sends a request to the runner and waits for its `reply`. */
  ask(make: (id: number) => FromHost): Promise<void>;
  /** The handle of the instance, or the error without an instance. */
  handle(): Handle | SluiceError;
  output(stream: "stdout" | "stderr", text: string): void;
}

/** The part of a context that only `setup()` has. */
interface SetupParts {
  /** The list that receives its effects. */
  readonly effects?: SetupEffect[];
  readonly standIns?: StandIns | undefined;
}

/** The {@link Context} of one `setup()` or one task, in the host. */
export class HostContext implements Context {
  readonly signal: AbortSignal;
  readonly #host: ContextHost;
  /** The list for the effects of a `setup()`; undefined in a task. */
  readonly #effects: SetupEffect[] | undefined;
  readonly #pending: Promise<void>[] = [];

  /** The stand-ins for missing imports while a `setup()` runs for a plan. */
  readonly #standIns: StandIns | undefined;

  constructor(host: ContextHost, signal: AbortSignal, { effects, standIns }: SetupParts = {}) {
    this.#host = host;
    this.signal = signal;
    this.#effects = effects;
    this.#standIns = standIns;
  }

  /** Waits for promises that the task did not await; throws if one of them failed. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
  }

  get rank(): number {
    return this.#host.mirror.rank;
  }

  get handle(): Handle {
    const handle = this.#host.handle();
    if (handle instanceof SluiceError) throw handle;
    return handle;
  }

  print(...items: readonly unknown[]): void {
    this.#host.send({ op: "print", text: format(...items) });
  }

  async rpc(topic: string, payload?: Payload, options: RpcOptions = {}): Promise<Payload> {
    const response = await this.handle.rpc(topic, payload, { signal: this.signal, ...options });
    await this.#refresh();
    return response;
  }

  set(key: string, value: JsonValue): void {
    if (this.#isUnknown("shared data", [key, value])) return;
    const copy = jsonCopy(key, value);
    this.#host.mirror.setData(key, copy);
    this.#host.send({ op: "set", key, value: copy });
  }

  get(key: string, fallback?: JsonValue): JsonValue | undefined {
    return this.#isUnknown("shared data", [key]) ? fallback : (this.#host.mirror.data(key) ?? fallback);
  }

  attrGet(name: string): string | undefined;
  attrGet(name: string, fallback: string): string;
  attrGet(name: string, fallback?: string): string | undefined {
    return this.#isUnknown("an attribute", [name]) ? fallback : (this.#host.mirror.attr(name) ?? fallback);
  }

  confGet(name: string, fallback?: JsonValue): JsonValue | undefined {
    if (this.#isUnknown("a value of the configuration", [name])) return fallback;
    return this.#host.mirror.conf(name) ?? fallback;
  }

  getenv(name: string): string | undefined;
  getenv(name: string, fallback: string): string;
  getenv(name: string, fallback?: string): string | undefined {
    return this.#isUnknown("a variable", [name]) ? fallback : (this.#host.mirror.env(name) ?? fallback);
  }

  setenv(
    nameOrValues: string | Readonly<Record<string, string | null>>,
    value?: string | null,
  ): Promise<void> {
    const env: Record<string, unknown> =
      typeof nameOrValues === "string" ? { [nameOrValues]: value } : { ...nameOrValues };
    if (this.#isUnknown("the environment", Object.entries(env).flat())) return Promise.resolve();
    assertEnvironment(env);
    this.#host.mirror.setEnv(env);
    const sent = this.#host.ask((id) => ({ op: "setenv", id, env }));
    this.#pending.push(sent);
    // A task that does not await it fails at its end.
    sent.catch(() => undefined);
    return sent;
  }

  setopt(module: string, options: string, overwrite = false): void {
    if (this.#isUnknown("an argument of a module", [module, options])) return;
    const words = options.split(/\s+/).filter((word) => word !== "");
    const edit: ModuleOptionEdit = { kind: "setopt", module, options: words, overwrite };
    this.#host.mirror.setArgs(edit);
    if (this.#effects === undefined) this.#host.send({ op: "setopt", edit });
    else this.#effects.push(edit);
  }

  getopts(name: string, fallback: readonly string[] = [], also: readonly string[] = []): readonly string[] {
    if (this.#isUnknown("an argument of a module", [name, also])) return fallback;
    const args = [name, ...also].flatMap((each) => this.#host.mirror.args(each));
    return args.length === 0 ? fallback : args;
  }

  async bash(command: string): Promise<void> {
    const end = await this.#runBash(command);
    if (!isSuccess(end)) throw new SluiceError("RC_FAILED", `bash: ${commandEndText(end)}`);
    await this.#refresh();
  }

  loadModules(names: readonly string[]): void {
    if (this.#isUnknown("the effect of loadModules()", [names])) return;
    this.#effect("loadModules", { kind: "load", names: nameList("loadModules", names) });
  }

  removeModules(names: readonly string[] | null): void {
    if (this.#isUnknown("the effect of removeModules()", [names])) return;
    const some = names === null ? null : nameList("removeModules", names);
    this.#effect("removeModules", { kind: "remove", names: some });
  }

  setAlternative(service: string, unit: string): void {
    if (this.#isUnknown("the effect of setAlternative()", [service, unit])) return;
    this.#effect("setAlternative", { kind: "alternative", service, unit });
  }

  enable(name: string): void {
    if (this.#isUnknown("the effect of enable()", [name])) return;
    this.#effect("enable", { kind: "enable", name });
  }

  /** Whether a value comes from a stand-in. The host then records the use and ignores the value. */
  #isUnknown(what: string, values: readonly unknown[]): boolean {
    return this.#standIns?.decides(what, values) === true;
  }

  #effect(method: string, effect: SetupEffect): void {
    if (this.#effects === undefined) {
      throw new SluiceError("RC_INVALID", `${method}: only setup() can change the plan`);
    }
    this.#effects.push(effect);
  }

  /** The next reader must see its changes to attributes and configuration. */
  #refresh(): Promise<void> {
    return this.#host.ask((id) => ({ op: "refresh", id }));
  }

  async #runBash(command: string): Promise<ProcessEnd> {
    const child = startProcess("bash", ["-c", command], {
      stdio: ["ignore", "pipe", "pipe"],
      realPipes: true,
      signal: this.signal,
      killSignal: "SIGKILL",
    });
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8").on("data", (text: string) => this.#host.output(stream, text));
    }
    try {
      return await processEnd(child);
    } catch (cause) {
      throw new SluiceError("RC_FAILED", `bash: ${messageOf(cause)}`, { cause });
    }
  }
}

function assertEnvironment(env: Record<string, unknown>): asserts env is Record<string, string | null> {
  for (const [name, value] of Object.entries(env)) {
    const fault = variableFault(name, value);
    if (fault !== undefined) throw new SluiceError("RC_INVALID", `setenv: ${fault}`);
  }
}

/** Why no environment can hold a variable; undefined if one can. */
function variableFault(name: string, value: unknown): string | undefined {
  if (name === "" || /[=\0]/.test(name)) return `invalid name '${name}'`;
  if (value === null) return undefined;
  if (typeof value === "string")
    return value.includes("\0") ? `the value of ${name} contains a NUL` : undefined;
  const given = value === undefined ? "undefined" : JSON.stringify(value);
  return `the value of ${name} must be a string or null, not ${given}`;
}

/** Rc files may be plain JavaScript, where a single string would count as a list of letters. */
function nameList(method: string, names: unknown): readonly string[] {
  if (Array.isArray(names) && names.every((name) => typeof name === "string")) return [...names];
  throw new SluiceError("RC_INVALID", `${method}: expected an array of names`);
}

/** The value in the form that every other host gets. */
function jsonCopy(key: string, value: unknown): JsonValue {
  const text: unknown = JSON.stringify(value);
  if (typeof text !== "string")
    throw new SluiceError("RC_INVALID", `set: the value of ${key} is not a JSON value`);
  return JSON.parse(text) as JsonValue;
}

import { randomUUID } from "node:crypto";
import { requestError } from "../../errors/index.js";
import { fields, type Handle, type JsonValue } from "../../messages/index.js";
import { readLoad } from "../modules/load-fields.js";
import type { LoadRequest, Removal, Trial } from "../modules/module-entry.js";
import { type LoadOrder, takeDownOrder, type TakeDownOrder } from "../modules/take-down-order.js";
import type { ApplyModule, ApplyModules } from "./apply-modules.js";

interface DrivenModule extends ApplyModule {
  args: readonly string[];
  /** The record of the other system about it; undefined: another program loaded it. */
  noted: LoadRequest | undefined;
}

/**
 * The modules of an instance of another system (docs/design/flux.md §2), as it reported them, with the changes that
 * this process has made since. That system does not report the end of a module, and holds no requests while it
 * replaces one.
 */
export class DrivenModules implements ApplyModules {
  readonly isSealed = false;
  readonly #handle: Handle;
  /** The modules in the order of loading. */
  readonly #entries = new Map<string, DrivenModule>();
  readonly #orders: LoadOrder[] = [];
  /** The paths of their files, by the names of modules. */
  readonly #paths = new Map<string, string>();

  private constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** Requests the running modules. */
  static async open(handle: Handle): Promise<DrivenModules> {
    const result = new DrivenModules(handle);
    const { modules } = fields(await handle.rpc("module.record", {}), { modules: "array" });
    for (const module of modules) {
      const { name, path, request, file } = fields(module, {
        ...{ name: "string", path: "string", request: "object?", file: "object" },
      } as const);
      result.#paths.set(name, path);
      const { digest } = fields(file, { digest: "string?" });
      const noted = request === undefined ? undefined : readLoad(request);
      result.#enter(name, noted ?? { path: name, name }, digest).noted = noted;
    }
    return result;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  entry(name: string): ApplyModule | undefined {
    return this.#entries.get(name);
  }

  goneModule(): undefined {
    return undefined;
  }

  recall(): void {
    throw requestError(
      "EINVAL",
      "cannot recall a module: another system does not report modules that have ended",
    );
  }

  find({ name = "", path }: LoadRequest): Promise<{ readonly path: string }> {
    return Promise.resolve({ path: this.#paths.get(name) ?? path });
  }

  async check(request: LoadRequest): Promise<void> {
    await this.#handle.rpc("module.check", asJson(request));
  }

  record(order: LoadOrder): number {
    return this.#orders.push(order);
  }

  takeDownOrder(): TakeDownOrder {
    const loaded = [...this.#entries].map(([name, { turn }]) => ({ name, turn }));
    return takeDownOrder(loaded, this.#orders);
  }

  removalTimeoutMs(name: string): number | undefined {
    return this.#entries.get(name)?.request.timeoutMs;
  }

  async remove(name: string, how: Removal): Promise<void> {
    await this.#handle.rpc("module.remove", how === "ask" ? { name } : { name, cancel: true });
    this.#entries.delete(name);
  }

  /** After a failed load no module has the name, because the running module had to end first. */
  async exchange(name: string, request: LoadRequest, trial: Trial): Promise<void> {
    if (this.has(name)) await this.remove(name, "ask");
    // The broker of that system has one environment for all its modules.
    const asked = { ...request, name, kept: undefined };
    await this.#handle.rpc("module.load", asJson(asked));
    const entry = this.#enter(name, asked);
    entry.noted = asked;
    entry.trial = trial;
  }

  /** That system cannot end a load that is under way. */
  interrupt(): Promise<void> {
    return Promise.resolve();
  }

  amend(name: string, request: LoadRequest): LoadRequest | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const before = { ...entry.request, args: entry.args };
    entry.request = { ...request, name };
    entry.args = request.args ?? [];
    return before;
  }

  /** Records the changes of modules that were not loaded again. */
  async note(): Promise<void> {
    for (const [name, entry] of this.#entries) {
      if (entry.noted === undefined || sameRequest(entry.noted, entry.request)) continue;
      await this.#handle.rpc("module.amend", { name, request: asJson(entry.request) });
      entry.noted = entry.request;
    }
  }

  #enter(name: string, request: LoadRequest, digest?: string): DrivenModule {
    const entry: DrivenModule = {
      ...{ request, args: request.args ?? [], noted: undefined, started: undefined, trial: undefined },
      // Modules that load later end earlier.
      ...{ state: { kind: "up" }, instance: { uuid: randomUUID() }, turn: this.#entries.size },
      digest: Promise.resolve(digest),
    };
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    return entry;
  }
}

function sameRequest(one: LoadRequest, other: LoadRequest): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function asJson(request: LoadRequest): Record<string, JsonValue> {
  return JSON.parse(JSON.stringify(request)) as Record<string, JsonValue>;
}

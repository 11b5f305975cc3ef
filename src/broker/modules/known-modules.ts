import { requestError } from "../../errors/index.js";
import type { ManifestModule, Others } from "../../libraries/index.js";
import type { JsonValue } from "../../messages/index.js";
import { isName } from "../../units/index.js";
import type { WaitedModule } from "../../waits/index.js";
import type { Clock } from "../clock.js";
import { isOfBroker } from "../routing/peer.js";
import type { Router } from "../routing/router.js";
import { LoadPlans } from "./load-plans.js";
import { builtinDetails, detailsOf } from "./module-details.js";
import { describeEntry, type ModuleEntry, type ModuleUsage } from "./module-entry.js";
import { healthOf } from "./module-health.js";
import { type LoadOrder, type TakeDownOrder, takeDownOrder } from "./take-down-order.js";
import { waitedModules } from "./waited-modules.js";

/** The number of failures that the broker keeps. */
const KEPT_FAILURES = 1000;

/** Why a module no longer runs. */
interface PastFailure {
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
}

/** A module that has ended by itself. */
export interface GoneModule {
  readonly entry: ModuleEntry;
  readonly state: "failed" | "ended";
}

/** The modules of a broker: those that are loaded, those that have ended by themselves, and why modules failed. */
export class KnownModules {
  readonly #router: Router;
  readonly #clock: Clock;
  readonly #entries = new Map<string, ModuleEntry>();
  /** Modules that have ended by themselves, and were neither removed nor loaded again since. */
  readonly #gone = new Map<string, GoneModule>();
  readonly #plans = new LoadPlans();
  readonly #failures = new Map<string, PastFailure>();
  readonly #listeners = new Set<() => void>();
  #isSealed = false;

  constructor({ router, clock }: { readonly router: Router; readonly clock: Clock }) {
    this.#router = router;
    this.#clock = clock;
  }

  /** All loaded modules, in the order of loading. */
  entries(): ModuleEntry[] {
    return [...this.#entries.values()];
  }

  /** A module that is loaded. */
  entry(name: string): ModuleEntry | undefined {
    return this.#entries.get(name);
  }

  /**
   * Finds a loaded module.
   * @param which its name, or the path that it was loaded from
   * @throws SluiceError `ENOENT` if it is not loaded, `EPERM` if it is part of the broker
   */
  find(which: string): ModuleEntry {
    const entry = this.#entries.get(which) ?? this.entries().find((candidate) => candidate.isCalled(which));
    if (entry !== undefined) return entry;
    const owner = this.#router.services.owner(which);
    if (owner !== undefined && isOfBroker(owner)) {
      throw requestError("EPERM", `${which} is part of the broker`);
    }
    throw notLoaded(which);
  }

  /** Whether a module has this name, or is about to get it. */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Number of requests that wait for modules which are being reloaded. */
  heldRequests(): number {
    let held = 0;
    for (const { state } of this.#entries.values()) if (state.kind === "reloading") held += state.hold.size;
    return held;
  }

  /** Names of the modules that run. */
  names(): string[] {
    return this.entries()
      .filter(({ state }) => state.kind === "up")
      .map(({ name }) => name);
  }

  /** The modules for `module.usage`, in the order of loading. */
  list(): ModuleUsage[] {
    return this.entries().map((entry) => ({
      listed: describeEntry(entry, this.#router),
      usage: entry.instance?.usage,
      phase: entry.state.kind,
      restarts: entry.restarts.total,
      health: healthOf(entry),
    }));
  }

  /**
   * The modules for `module.list`, in the order of loading.
   * @param isCompared whether to compare the files with those that the modules were loaded from
   */
  details(isCompared: boolean): Promise<Readonly<Record<string, JsonValue>>[]> {
    return Promise.all(this.entries().map((entry) => detailsOf(entry, this.#router, isCompared)));
  }

  /** The services of the broker, in the form of {@link details}. */
  builtins(): Readonly<Record<string, JsonValue>>[] {
    return builtinDetails(this.#router);
  }

  /** The states of the modules, for the report of the units that wait for them. */
  waited(): WaitedModule[] {
    return waitedModules(this.#entries, this.#plans);
  }

  /** Services that a module has registered. */
  servicesOf({ instance }: ModuleEntry): readonly string[] {
    return instance === undefined ? [] : this.#router.services.namesOf(instance.peer);
  }

  /** The other loaded modules, by each of their names. */
  othersThan(names: readonly string[]): Others {
    const others = new Map<string, ManifestModule | undefined>();
    for (const { name, library } of this.#entries.values()) {
      if (names.includes(name)) continue;
      others.set(name, library?.manifest);
      if (library !== undefined) others.set(library.name, library.manifest);
    }
    return others;
  }

  /**
   * Checks that a module can have this name.
   * @throws SluiceError `EINVAL` for an invalid name, `ECANCELED` if loads are refused, `EEXIST` if the name is taken
   */
  checkName(name: string): void {
    if (!isName(name)) throw requestError("EINVAL", `invalid module name '${name}'`);
    if (this.#isSealed) throw requestError("ECANCELED", "the broker is closing");
    if (this.#entries.has(name)) throw requestError("EEXIST", `${name}: File exists`);
    const owner = this.#router.services.owner(name);
    if (owner !== undefined) {
      throw requestError("EEXIST", `${name}: File exists (it is a service of ${owner.name})`);
    }
  }

  /** Takes the name of a module that is about to be loaded. */
  add(entry: ModuleEntry): void {
    entry.onChange = () => this.#changed();
    this.#entries.set(entry.name, entry);
    this.#gone.delete(entry.name);
    this.#changed();
  }

  /** Releases the name of a module. */
  forget(entry: ModuleEntry): void {
    if (this.#entries.get(entry.name) !== entry) return;
    this.#entries.delete(entry.name);
    this.#changed();
  }

  /** Whether the broker refuses loads. */
  get isSealed(): boolean {
    return this.#isSealed;
  }

  /** Refuses loads from now on. */
  seal(): void {
    this.#isSealed = true;
  }

  /** A module that has ended by itself. */
  goneModule(name: string): GoneModule | undefined {
    return this.#gone.get(name);
  }

  /** All modules that have ended by themselves. */
  gone(): GoneModule[] {
    return [...this.#gone.values()];
  }

  /** Notes that a module has ended by itself. */
  noteGone(entry: ModuleEntry, state: GoneModule["state"]): void {
    this.#gone.set(entry.name, { entry, state });
  }

  /** Notes that the end of a module was requested. */
  forgetGone(name: string): void {
    this.#gone.delete(name);
  }

  /** Records again that a module had ended, if no module of its name is loaded. */
  recall(gone: GoneModule): void {
    if (!this.#entries.has(gone.entry.name)) this.#gone.set(gone.entry.name, gone);
  }

  /** Modules that have failed and do not run, by name, with the last failure of each. */
  get failures(): ReadonlyMap<string, PastFailure> {
    return this.#failures;
  }

  /** Keeps why a module failed, for later readers. Drops the oldest failures when there are too many. */
  noteFailure(name: string, message: string): void {
    this.#failures.delete(name);
    this.#failures.set(name, { message, timeMs: this.#clock.now() });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > KEPT_FAILURES && oldest !== undefined) this.#failures.delete(oldest);
  }

  /** Notes that a module that had failed runs again. */
  forgetFailure(name: string): void {
    this.#failures.delete(name);
  }

  /**
   * Calls back after each change of the loaded modules and of their current operations.
   * @returns a function that ends this
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Keeps the order in which a plan loads, for the later take-down.
   * @returns its number, for the loads
   * @throws SluiceError `EINVAL` if it is no graph
   */
  record(order: LoadOrder): number {
    return this.#plans.add(order, this.#turns());
  }

  /** The turn of a module that is loaded now: the turn of its plan, else a turn of its own. */
  turnOf(plan: number | undefined): number {
    return this.#plans.turnOf(plan);
  }

  /** The loaded modules, and the order of their removal. */
  takeDownOrder(): TakeDownOrder {
    return takeDownOrder(this.entries(), this.#plans.those(this.#turns()));
  }

  #turns(): Set<number> {
    return new Set(this.entries().map(({ turn }) => turn));
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

export function notLoaded(which: string): Error {
  return requestError("ENOENT", `${which}: No such file or directory`);
}

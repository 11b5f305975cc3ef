import { messageOf } from "../../errors/index.js";
import type { LogLevel } from "../../messages/index.js";
import type { LoadRequest, ModuleEntry } from "./module-entry.js";

/** The parts of the table that its followers need. */
export interface FollowedTable {
  entries(): Iterable<ModuleEntry>;
  /** Services that a module has besides its own name. */
  servicesOf(entry: ModuleEntry): readonly string[];
  /**
   * Restarts a module, and reports the restart with its cause. Resolves when it is certain whether the restart
   * succeeds.
   */
  restart(entry: ModuleEntry, cause: Cause): Promise<void>;
  /** Loads a failed module again. */
  loadAgain(request: LoadRequest, cause: Cause): Promise<void>;
  now(): number;
  log(level: LogLevel, text: string): void;
}

/** Modules that one event has restarted: the same event restarts none of them twice. */
export type Cause = Set<string>;

/** A follower that failed, perhaps because its source was down. */
interface Fallen {
  readonly request: LoadRequest;
  readonly failedAtMs: number;
}

/** A follower may notice that its source is down before the broker does. */
const BEFORE_MS = 1000;

/**
 * Restarts modules after those that they follow (docs/design/programs.md §1).
 *
 * A module begins to follow a service when both the module and a provider of the service have run. It restarts when
 * another provider starts, or the same provider starts again. So followers wait until their source runs. A source
 * that never runs restarts none of them.
 */
export class Followers {
  readonly #table: FollowedTable;
  /** Follower → services that were provided while it ran. */
  readonly #seen = new Map<string, Set<string>>();
  readonly #fallen = new Map<string, Fallen>();
  /** Service → when its provider was last lost. */
  readonly #lostAtMs = new Map<string, number>();

  constructor(table: FollowedTable) {
    this.#table = table;
  }

  /** A run of a module has begun, because of a cause or by itself. */
  started(entry: ModuleEntry, cause: Cause = new Set([entry.name])): Promise<void> {
    const services = this.#provided(entry);
    this.#fallen.delete(entry.name);
    this.#noteSeen(entry);
    return this.#restartFollowers(entry, services, cause);
  }

  /** A running module has other services, or follows others: both count from now on. */
  amended(entry: ModuleEntry): void {
    const services = this.#provided(entry);
    for (const each of this.#table.entries()) {
      const isToLook = each === entry || services.some((service) => followsOf(each).includes(service));
      if (isToLook) this.#noteSeen(each, this.#seen.get(each.name));
    }
  }

  /** A run of a module has ended. `failure` is undefined after a clean end. */
  ended(entry: ModuleEntry, failure?: { readonly isForGood: boolean }): void {
    const nowMs = this.#table.now();
    for (const service of this.#provided(entry)) this.#lostAtMs.set(service, nowMs);
    if (failure?.isForGood !== true || followsOf(entry).length === 0) return;
    this.#fallen.set(entry.name, { request: { ...entry.request, name: entry.name }, failedAtMs: nowMs });
  }

  /** The broker does not start a module again that a user has removed. */
  removed(name: string): void {
    this.#fallen.delete(name);
    this.#seen.delete(name);
  }

  #provided(entry: ModuleEntry): readonly string[] {
    return [entry.name, ...(entry.request.provides ?? []), ...this.#table.servicesOf(entry)];
  }

  #noteSeen(entry: ModuleEntry, seen = new Set<string>()): void {
    for (const other of this.#table.entries()) {
      if (other === entry || other.state.kind !== "up") continue;
      for (const service of this.#provided(other)) if (followsOf(entry).includes(service)) seen.add(service);
    }
    this.#seen.set(entry.name, seen);
  }

  async #restartFollowers(source: ModuleEntry, services: readonly string[], cause: Cause): Promise<void> {
    // One after the other, in the order loaded, because a later module may need an earlier one.
    for (const entry of [...this.#table.entries()]) {
      const followed = services.filter((service) => followsOf(entry).includes(service));
      if (followed.length === 0 || entry === source || cause.has(entry.name)) continue;
      if (await this.#isToRestart(entry, followed)) {
        cause.add(entry.name);
        this.#table.log("notice", `${entry.name} restarts, because it follows ${source.name}`);
        await this.#settled(entry.name, this.#table.restart(entry, cause));
      }
    }
    for (const [name, { request, failedAtMs }] of [...this.#fallen]) {
      const followed = services.filter((service) => request.follows?.includes(service) === true);
      const isOfOutage = followed.some(
        (service) => failedAtMs >= (this.#lostAtMs.get(service) ?? Infinity) - BEFORE_MS,
      );
      if (!isOfOutage || cause.has(name)) continue;
      cause.add(name);
      this.#fallen.delete(name);
      this.#table.log("notice", `${name} starts again, because it follows ${source.name}`);
      await this.#settled(name, this.#table.loadAgain(request, cause));
    }
  }

  /** Waits for a follower that is just starting, because it may have used a source that has ended since. */
  async #isToRestart(entry: ModuleEntry, followed: readonly string[]): Promise<boolean> {
    const { kind } = entry.state;
    const wasStarting = kind === "starting" || kind === "reloading";
    const had = followed.some((service) => this.#lostAtMs.has(service));
    if (wasStarting) await entry.busy;
    const seen = this.#seen.get(entry.name) ?? new Set();
    const isKnown = followed.some((service) => seen.has(service));
    for (const service of followed) seen.add(service);
    this.#seen.set(entry.name, seen);
    if (wasStarting) return had && entry.state.kind === "up";
    const { state } = entry;
    // A load that waits for its next try continues by itself.
    return state.kind === "backoff" ? state.giveUp === undefined : isKnown;
  }

  async #settled(name: string, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#table.log("err", `${name}: ${messageOf(error)}`);
    }
  }
}

function followsOf(entry: ModuleEntry): readonly string[] {
  return entry.request.follows ?? [];
}

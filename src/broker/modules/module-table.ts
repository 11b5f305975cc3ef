import { messageOf, requestError } from "../../errors/index.js";
import { type AskedPick, type LibraryReport, splitMember } from "../../libraries/index.js";
import { type Cause, Followers } from "./followers.js";
import { KnownModules, notLoaded } from "./known-modules.js";
import {
  leaveBackoff,
  type Loaded,
  type LoadRequest,
  ModuleEntry,
  type ReloadRequest,
  type Removal,
  type Trial,
} from "./module-entry.js";
import type { FoundModule } from "./module-finder.js";
import type { PlannedModule } from "./module-libraries.js";
import { ModulePeers } from "./module-peers.js";
import { ModuleRuns } from "./module-runs.js";
import type { ModuleHost } from "./module-start.js";
import { ModuleSwaps } from "./module-swaps.js";
import { useRefusal } from "./module-users.js";
import { groupRefusal } from "./thread-group.js";

/** The modules of one broker: loads, removes, reloads and restarts them, one operation a module at a time. */
export class ModuleTable {
  /** Finds modules by the peer that a request comes from. */
  readonly peers: ModulePeers;
  /** The loaded modules, and those that have ended. */
  readonly known: KnownModules;
  readonly #host: ModuleHost;
  readonly #runs: ModuleRuns;
  readonly #swaps: ModuleSwaps;
  readonly #followers: Followers;

  constructor(host: ModuleHost) {
    this.#host = host;
    this.peers = new ModulePeers(host.router);
    this.known = new KnownModules(host);
    this.#followers = new Followers({
      entries: () => this.known.entries(),
      servicesOf: (entry) => this.known.servicesOf(entry),
      restart: (entry, cause) => this.#swaps.follow(entry, cause),
      loadAgain: async (request, cause) => {
        if (!this.known.isSealed && !this.known.has(request.name ?? "")) {
          await this.#admit(request.name ?? "", request, { cause });
        }
      },
      now: () => host.clock.now(),
      log: (level, text) => host.log(level, text),
    });
    const around = { host, known: this.known, peers: this.peers, followers: this.#followers };
    this.#runs = new ModuleRuns(around);
    this.#swaps = new ModuleSwaps(around, this.#runs);
  }

  /**
   * Finds and starts a module, and resolves when it reports that it runs.
   * @throws SluiceError `EEXIST` if a module or a service has the name. `ENOENT` if the file is missing.
   *   `EINVAL` for an invalid name. Else the module's own error
   */
  async load(request: LoadRequest, trial?: Trial): Promise<Loaded> {
    const isolated = withOwnProcess(request);
    const { name } = isolated;
    if (name !== undefined) return this.#admit(name, isolated, { trial });
    const file = await this.#host.find(isolated);
    return this.#admit(file.name, isolated, { file, trial });
  }

  /**
   * Ends a module, and resolves when it has ended.
   * @param which its name, or the path that it was loaded from
   * @throws SluiceError `ENOENT` if it is not loaded, `EBUSY` if its cancellation would end other modules too; the
   *   module's own error if it ended with one
   */
  async remove(which: string, how: Removal): Promise<void> {
    const entry = this.known.find(which);
    const isCancel = how !== "ask";
    const refusal = how === "cancel" ? groupRefusal(entry, this.known.entries()) : undefined;
    if (refusal !== undefined) throw refusal;
    const { state } = entry;
    switch (state.kind) {
      case "backoff":
        leaveBackoff(state);
        this.#followers.removed(entry.name);
        this.known.forget(entry);
        return;
      case "removing":
        if (isCancel) await entry.instance?.cancel();
        return state.done;
      case "starting":
      case "reloading":
        if (state.kind === "reloading" && state.isStalled === true) {
          this.#swaps.dropStalled(entry, state.hold);
          return;
        }
        if (isCancel) await abandon(entry);
        else if (entry.isProgram) giveUp(entry);
        await entry.busy;
        return this.known.entry(entry.name) === entry ? this.remove(entry.name, how) : undefined;
      case "up": {
        const done = this.#runs.stop(entry, state.instance, isCancel);
        entry.state = { kind: "removing", done };
        return done;
      }
    }
  }

  /**
   * Checks that no other loaded module uses a module.
   * @param which its name, or the path that it was loaded from
   * @throws SluiceError `ENOENT` if it is not loaded; `EBUSY` if others require it, with their names
   */
  checkUnused(which: string): void {
    const refusal = useRefusal(this.known.find(which), {
      entries: this.known.entries(),
      servicesOf: (user) => this.known.servicesOf(user),
      order: this.known.takeDownOrder(),
    });
    if (refusal !== undefined) throw refusal;
  }

  /**
   * Removes a module and loads it again from the same file. The broker holds requests to it and to its services until
   * it runs again.
   * @throws SluiceError as {@link load} and {@link remove}
   */
  async reload(which: string, request: ReloadRequest): Promise<Loaded> {
    const entry = this.known.find(which);
    const { state } = entry;
    switch (state.kind) {
      case "backoff":
        leaveBackoff(state);
        entry.restarts.reset();
        entry.change(request);
        entry.state = { kind: "starting" };
        return entry.occupy(this.#runs.load(entry).then((loaded) => this.#runs.announce(loaded)));
      case "starting":
      case "reloading":
        if (state.kind === "reloading" && state.isStalled === true) throw underChange(entry.name);
        await entry.busy;
        return this.reload(entry.name, request);
      case "removing":
        await Promise.allSettled([state.done]);
        throw notLoaded(which);
      case "up":
        return entry.occupy(this.#swaps.reload(entry, state.instance, request));
    }
  }

  /**
   * Replaces a module by the module of another request. The broker holds requests to it until then. If the new run
   * fails, the module does not run and requests stay held. The next exchange or removal decides.
   * @throws SluiceError as {@link load} and {@link remove}; if its file cannot be found or does not compile, it still runs
   */
  async exchange(name: string, request: LoadRequest, trial: Trial): Promise<Loaded> {
    const wanted = withOwnProcess({ ...request, name });
    const entry = this.known.entry(name);
    if (entry === undefined) return this.#admit(name, wanted, { trial });
    const { state } = entry;
    switch (state.kind) {
      case "backoff":
        leaveBackoff(state);
        this.known.forget(entry);
        return this.#admit(name, wanted, { trial });
      case "removing":
        await Promise.allSettled([state.done]);
        return this.exchange(name, request, trial);
      case "starting":
        await entry.busy;
        return this.exchange(name, request, trial);
      case "reloading":
        if (state.isStalled !== true) {
          await entry.busy;
          return this.exchange(name, request, trial);
        }
        entry.become(wanted);
        entry.trial = trial;
        return entry.occupy(this.#swaps.startHeld(entry, state.hold, { cause: trial.cause, trial }));
      case "up":
        return entry.occupy(
          this.#swaps.replace(entry, state.instance, {
            ...{ wanted, cause: trial.cause, trial },
            take: () => entry.become(wanted),
          }),
        );
    }
  }

  /** Ends the current operation on a module, without a new one. */
  async interrupt(name: string): Promise<void> {
    const entry = this.known.entry(name);
    if (entry === undefined) return;
    const { state } = entry;
    if (state.kind === "starting" || state.kind === "reloading") await abandon(entry);
    else if (state.kind === "backoff" && state.giveUp !== undefined) await this.remove(name, "cancel");
  }

  /** Changes options of a running module that need no new start; returns its previous request. */
  amend(name: string, request: LoadRequest): LoadRequest | undefined {
    const entry = this.known.entry(name);
    if (entry === undefined) return undefined;
    const before = { ...entry.request, args: entry.args };
    const watchdogMs = entry.watchdogMs;
    entry.amend({ ...request, name });
    this.#followers.amended(entry);
    if (entry.state.kind === "up") {
      entry.state.instance.amend(request);
      if (entry.watchdogMs !== watchdogMs) {
        entry.state.instance.watch(entry.watchdogMs, () => this.#host.waitingFor(name));
      }
    }
    return before;
  }

  /**
   * Checks a module before its load: finds, opens and compiles the file, and verifies its library.
   * @param going names of modules that will have been removed or replaced by then
   * @throws SluiceError as {@link load}
   */
  async check(request: LoadRequest, going: readonly string[]): Promise<void> {
    await this.#swaps.check({ ...request, name: request.name ?? "" }, going);
  }

  /**
   * Holds back the messages for a module, or delivers them again.
   * @throws SluiceError `ENOENT` if it is not loaded
   */
  defer(which: string, on: boolean): void {
    const { instance } = this.known.find(which);
    if (instance === undefined) throw notLoaded(which);
    instance.defer(on);
  }

  /**
   * Opens and verifies the libraries of the modules that a plan is to load (docs/design/modules.md §6).
   * @param planned all modules that it loads; those of no library count too, because others may conflict with or
   *   require them
   */
  verify(planned: readonly PlannedModule[]): Promise<LibraryReport> {
    const others = new Map(this.known.othersThan(planned.map(({ unit }) => unit)));
    const picks: AskedPick[] = [];
    for (const { path, ...module } of planned) {
      const { file, member } = splitMember(path);
      if (member === undefined) others.set(module.unit, undefined);
      else picks.push({ ...module, file, member });
    }
    return this.#host.libraries.verify(picks, others);
  }

  /**
   * Ends all remaining modules.
   * @returns names of the modules that could not be removed
   */
  async close(): Promise<string[]> {
    this.known.seal();
    const left: string[] = [];
    const endings: Promise<unknown>[] = [];
    for (const entry of this.known.entries()) {
      if (entry.state.kind === "backoff") {
        leaveBackoff(entry.state);
        this.known.forget(entry);
        continue;
      }
      left.push(entry.name);
      endings.push(this.remove(entry.name, "force"));
    }
    const settled = await Promise.allSettled(endings);
    for (const result of settled) {
      if (result.status === "rejected") this.#host.log("err", messageOf(result.reason));
    }
    return left;
  }

  /** Finds a module's file and its loader, as a load does. */
  find(request: LoadRequest): Promise<FoundModule> {
    return this.#host.find(request);
  }

  /** Takes the name, so that other loads find it taken, and removals find it, during the search for the file. */
  #admit(
    name: string,
    request: LoadRequest,
    { file, cause, trial }: { file?: FoundModule; cause?: Cause; trial?: Trial | undefined },
  ): Promise<Loaded> {
    this.known.checkName(name);
    const entry = new ModuleEntry(name, request, file, this.known.turnOf(request.plan));
    entry.trial = trial;
    this.known.add(entry);
    return entry.occupy(this.#runs.load(entry, cause ?? trial?.cause));
  }
}

/**
 * A memory limit needs a process of its own: the threads of the broker share its heap.
 * @throws SluiceError `EINVAL` if the request names the thread loader
 */
function withOwnProcess(request: LoadRequest): LoadRequest {
  const { memoryLimitBytes, loader, command } = request;
  if (memoryLimitBytes === undefined || command !== undefined) return request;
  if (loader === "thread") {
    throw requestError("EINVAL", "a memory limit needs a separate process; leave out the loader 'thread'");
  }
  return { ...request, exec: true };
}

/** Ends the wait until a slow program becomes ready. */
function giveUp(entry: ModuleEntry): void {
  entry.isAbandoned = true;
  entry.instance?.giveUp();
}

async function abandon(entry: ModuleEntry): Promise<void> {
  entry.isAbandoned = true;
  await entry.instance?.cancel();
}

function underChange(name: string): Error {
  return requestError("EBUSY", `${name}: another load, reload or removal of this module is under way`);
}

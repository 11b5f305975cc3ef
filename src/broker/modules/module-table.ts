import { errnumOf, ERRNO, messageOf, requestError, SluiceError } from "../../errors/index.js";
import {
  type AskedPick,
  type LibraryReport,
  type ManifestModule,
  type Others,
  splitMember,
} from "../../libraries/index.js";
import type { StopRule } from "../../loaders/index.js";
import { isName } from "../../units/index.js";
import { afterFailure, logFailure, restartDelay } from "./failure-policy.js";
import { type Cause, Followers } from "./followers.js";
import { HoldQueue } from "./hold-queue.js";
import {
  describeEntry,
  type EntryState,
  type Loaded,
  type LoadRequest,
  ModuleEntry,
  type ModuleUsage,
  type ReloadRequest,
  type Removal,
} from "./module-entry.js";
import type { FoundModule } from "./module-finder.js";
import { failureError, type ModuleEnd, type ModuleFailure, type ModuleInstance } from "./module-instance.js";
import type { PlannedModule } from "./module-libraries.js";
import { type ModuleHost, startInstance } from "./module-start.js";
import { ModulePeers } from "./module-peers.js";
import { groupRefusal } from "./thread-group.js";
import { LoadPlans } from "./load-plans.js";
import { type LoadOrder, type TakeDownOrder, takeDownOrder } from "./take-down-order.js";

/** Of `stop` where a unit has none (docs/design/programs.md §1). */
const STOP_MS = 10_000;

/** After its time-out a program is killed; what outlives that for so long fails its removal. */
const KILL_MS = 6000;

/** The modules of one broker: loads, removes, reloads and restarts them, one operation a module at a time. */
export class ModuleTable {
  /** Knows modules by the peer that a request comes from. */
  readonly peers: ModulePeers;
  readonly #host: ModuleHost;
  readonly #entries = new Map<string, ModuleEntry>();
  readonly #plans = new LoadPlans();
  readonly #followers: Followers;
  #isClosing = false;

  constructor(host: ModuleHost) {
    this.#host = host;
    this.peers = new ModulePeers(host.router);
    this.#followers = new Followers({
      entries: () => this.#entries.values(),
      servicesOf: ({ instance }) =>
        instance === undefined ? [] : host.router.services.namesOf(instance.peer),
      restart: (entry, cause) => this.#follow(entry, cause),
      loadAgain: async (request, cause) => {
        if (!this.#isClosing && !this.#entries.has(request.name ?? "")) {
          await this.#admit(request.name ?? "", request, undefined, cause);
        }
      },
      now: () => host.clock.now(),
      log: (level, text) => host.log(level, text),
    });
  }

  /**
   * Finds and starts a module, and resolves when it reports that it runs.
   * @throws SluiceError `EEXIST` if the name is taken by a module or a service, `ENOENT` if there is no such file,
   *   `EINVAL` for what cannot be a name, else the module's own error
   */
  async load(request: LoadRequest): Promise<Loaded> {
    const isolated = withOwnProcess(request);
    const { name } = isolated;
    if (name !== undefined) return this.#admit(name, isolated, undefined);
    const file = await this.#host.find(isolated);
    return this.#admit(file.name, isolated, file);
  }

  /**
   * Has a module end, and resolves when it is gone.
   * @param which its name, or the path that it was loaded from
   * @throws SluiceError `ENOENT` if it is not loaded, `EBUSY` if to cancel it takes others along; the module's own error
   *   if it ended with one
   */
  async remove(which: string, how: Removal): Promise<void> {
    const entry = this.#find(which);
    const isCancel = how !== "ask";
    const refusal = how === "cancel" ? groupRefusal(entry, this.#entries.values()) : undefined;
    if (refusal !== undefined) throw refusal;
    const { state } = entry;
    switch (state.kind) {
      case "backoff":
        leaveBackoff(state);
        this.#followers.removed(entry.name);
        this.#forget(entry);
        return;
      case "removing":
        if (isCancel) await entry.instance?.cancel();
        return state.done;
      case "starting":
      case "reloading":
        if (isCancel) await this.#abandon(entry);
        else if (entry.isProgram) this.#giveUp(entry);
        await entry.busy;
        return this.#entries.get(entry.name) === entry ? this.remove(entry.name, how) : undefined;
      case "up": {
        const done = this.#stop(entry, state.instance, isCancel);
        entry.state = { kind: "removing", done };
        return done;
      }
    }
  }

  /**
   * Removes a module and loads it again from the same file. Requests to it and to its services are held meanwhile.
   * @throws SluiceError as {@link load} and {@link remove}
   */
  async reload(which: string, request: ReloadRequest): Promise<Loaded> {
    const entry = this.#find(which);
    const { state } = entry;
    switch (state.kind) {
      case "backoff":
        leaveBackoff(state);
        entry.restarts.reset();
        entry.change(request);
        entry.state = { kind: "starting" };
        return this.#occupy(
          entry,
          this.#startOrForget(entry).then((loaded) => this.#announce(loaded)),
        );
      case "starting":
      case "reloading":
        await entry.busy;
        return this.reload(entry.name, request);
      case "removing":
        await Promise.allSettled([state.done]);
        throw notLoaded(which);
      case "up":
        return this.#occupy(entry, this.#replace(entry, state.instance, request));
    }
  }

  /**
   * Holds back what a module is to receive, or lets it go on.
   * @throws SluiceError `ENOENT` if it is not loaded
   */
  defer(which: string, on: boolean): void {
    const { instance } = this.#find(which);
    if (instance === undefined) throw notLoaded(which);
    instance.defer(on);
  }

  /** Whether a module has this name, or is to have it in a moment. */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Names of the modules that run. */
  names(): string[] {
    return [...this.#entries.values()].filter(({ state }) => state.kind === "up").map(({ name }) => name);
  }

  /** What `module.list` and `module.usage` answer, in the order loaded. */
  list(): ModuleUsage[] {
    return [...this.#entries.values()].map((entry) => ({
      listed: describeEntry(entry, this.#host.router),
      usage: entry.instance?.usage,
    }));
  }

  /**
   * Keeps the order in which a plan loads, for the way down.
   * @returns its number, for the loads
   * @throws SluiceError `EINVAL` if it is no graph
   */
  record(order: LoadOrder): number {
    return this.#plans.add(order, this.#turns());
  }

  /**
   * Opens and verifies the libraries of what a plan is to load (docs/design/modules.md §6).
   * @param planned all that it loads; what is of no library is what others may conflict with or require
   */
  verify(planned: readonly PlannedModule[]): Promise<LibraryReport> {
    const others = new Map(this.#othersThan(planned.map(({ unit }) => unit)));
    const picks: AskedPick[] = [];
    for (const { path, ...module } of planned) {
      const { file, member } = splitMember(path);
      if (member === undefined) others.set(module.unit, undefined);
      else picks.push({ ...module, file, member });
    }
    return this.#host.libraries.verify(picks, others);
  }

  /** What is loaded, and what of it is to go before what. */
  takeDownOrder(): TakeDownOrder {
    return takeDownOrder([...this.#entries.values()], this.#plans.those(this.#turns()));
  }

  /** How long the removal of a module may take; undefined: as long as it likes. */
  removalTimeoutMs(name: string): number | undefined {
    const entry = this.#entries.get(name);
    return entry?.isProgram === true ? stopLimitMs(entry.request.stop) : entry?.request.timeoutMs;
  }

  /** Whether the unit of a module says how it is stopped: then it has that time whatever the instance is in a hurry for. */
  hasOwnStop(name: string): boolean {
    return this.#entries.get(name)?.request.stop !== undefined;
  }

  /** Refuses loads from now on. */
  seal(): void {
    this.#isClosing = true;
  }

  /**
   * Ends every module that is left.
   * @returns names of those that had not been removed
   */
  async close(): Promise<string[]> {
    this.seal();
    const left: string[] = [];
    const endings: Promise<unknown>[] = [];
    for (const entry of [...this.#entries.values()]) {
      if (entry.state.kind === "backoff") {
        leaveBackoff(entry.state);
        this.#forget(entry);
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

  /** Takes the name, so that others find it taken and can remove it while the file is being looked for. */
  #admit(name: string, request: LoadRequest, file: FoundModule | undefined, cause?: Cause): Promise<Loaded> {
    this.#checkName(name);
    const entry = new ModuleEntry(name, request, file, this.#plans.turnOf(request.plan));
    this.#entries.set(name, entry);
    return this.#occupy(entry, this.#startOrForget(entry, cause));
  }

  #checkName(name: string): void {
    if (!isName(name)) throw requestError("EINVAL", `invalid module name '${name}'`);
    if (this.#isClosing) throw requestError("ECANCELED", "the broker is closing");
    if (this.#entries.has(name)) throw requestError("EEXIST", `${name}: File exists`);
    const owner = this.#host.router.services.owner(name);
    if (owner !== undefined) {
      throw requestError("EEXIST", `${name}: File exists (it is a service of ${owner.name})`);
    }
  }

  #turns(): Set<number> {
    return new Set([...this.#entries.values()].map(({ turn }) => turn));
  }

  #find(which: string): ModuleEntry {
    const entry =
      this.#entries.get(which) ?? [...this.#entries.values()].find((candidate) => candidate.isCalled(which));
    if (entry !== undefined) return entry;
    if (this.#host.router.services.owner(which)?.id.startsWith("#") === true) {
      throw requestError("EPERM", `${which} is part of the broker`);
    }
    throw notLoaded(which);
  }

  #forget(entry: ModuleEntry): void {
    if (this.#entries.get(entry.name) === entry) this.#entries.delete(entry.name);
  }

  /** Notes what is under way, so that others can wait for it. */
  #occupy(entry: ModuleEntry, work: Promise<Loaded>): Promise<Loaded> {
    entry.busy = Promise.allSettled([work]).then(() => undefined);
    return work;
  }

  /** Ends the wait for a program that may be long in getting ready. */
  #giveUp(entry: ModuleEntry): void {
    entry.isAbandoned = true;
    entry.instance?.giveUp();
  }

  async #abandon(entry: ModuleEntry): Promise<void> {
    entry.isAbandoned = true;
    await entry.instance?.cancel();
  }

  /** A program that its unit has restarted is tried again, as often as that says. */
  async #startOrForget(entry: ModuleEntry, cause?: Cause): Promise<Loaded> {
    for (;;) {
      try {
        return await this.#start(entry, { cause });
      } catch (error) {
        const delayMs = this.#isWorthATry(entry, error)
          ? entry.restarts.failed(this.#host.clock.now())
          : undefined;
        if (delayMs === undefined) {
          this.#forget(entry);
          throw error;
        }
        this.#host.log(
          "notice",
          `${messageOf(error)}; ${entry.name} is started again in ${delayMs / 1000} s`,
        );
        await this.#backOff(entry, delayMs);
        entry.state = { kind: "starting" };
      }
    }
  }

  /** Whether a program came so far that it could end or be waited for in vain, and is still wanted. */
  #isWorthATry(entry: ModuleEntry, error: unknown): boolean {
    const errnum = errnumOf(error);
    const isOwnEnd = errnum === ERRNO.ECONNRESET || errnum === ERRNO.ETIMEDOUT;
    return (
      entry.isProgram && entry.policy === "restart" && isOwnEnd && !entry.isAbandoned && !this.#isClosing
    );
  }

  /** @throws SluiceError `ECANCELED` if it was removed or reloaded meanwhile */
  #backOff(entry: ModuleEntry, delayMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#host.clock.after(delayMs, resolve);
      const giveUp = (): void => reject(requestError("ECANCELED", "load was cancelled"));
      entry.state = { kind: "backoff", timer, giveUp };
    });
  }

  async #start(
    entry: ModuleEntry,
    { hold, cause }: { readonly hold?: HoldQueue; readonly cause?: Cause | undefined } = {},
  ): Promise<Loaded> {
    const instance = await startInstance(this.#host, entry, {
      others: this.#othersThan([entry.name]),
      isHeld: hold !== undefined,
      onStarted: (started) => {
        entry.instance = started;
        this.peers.add(started, entry);
      },
    });
    if (entry.library !== undefined) await this.#bind(entry, instance);
    hold?.release(entry.name, instance.peer);
    entry.state = { kind: "up", instance };
    if (entry.watchdogMs !== undefined) instance.watch(entry.watchdogMs);
    this.#host.started(entry.name, instance.conf);
    entry.restarts.ready(this.#host.clock.now());
    void this.#watch(entry, instance);
    void this.#followers.started(entry, cause);
    return { name: entry.name, uuid: instance.uuid };
  }

  /** The last phase of a module of a library: it gets the service of its kind; or ends, if it does not fulfil that. */
  async #bind({ library }: ModuleEntry, instance: ModuleInstance): Promise<void> {
    if (library === undefined) return;
    const { services } = this.#host.router;
    const { kind } = library.manifest;
    try {
      await this.#host.libraries.checkBinding(library, instance.methods);
      if (kind === undefined || services.owner(kind) === instance.peer) return;
      if (!this.peers.claim(instance.peer, kind)) services.add(kind, instance.peer);
    } catch (error) {
      await instance.cancel();
      await instance.ended;
      throw error;
    }
  }

  /** What is loaded besides, by each of its names. */
  #othersThan(names: readonly string[]): Others {
    const others = new Map<string, ManifestModule | undefined>();
    for (const { name, library } of this.#entries.values()) {
      if (names.includes(name)) continue;
      others.set(name, library?.manifest);
      if (library !== undefined) others.set(library.name, library.manifest);
    }
    return others;
  }

  /** Announces a new instance to what depends on the module: it knows nothing of what the old one was sent. */
  #announce(loaded: Loaded): Loaded {
    this.#host.announce("module.reloaded", { ...loaded });
    return loaded;
  }

  async #stop(entry: ModuleEntry, instance: ModuleInstance, isCancel: boolean): Promise<void> {
    if (isCancel) await instance.cancel();
    else instance.shutdown();
    const end = await instance.ended;
    this.#followers.ended(entry);
    this.#followers.removed(entry.name);
    this.#forget(entry);
    if (end.kind !== "failed") return;
    logFailure(this.#host, entry, end);
    throw failureError(end);
  }

  /** Restarts a module because of another; that is no try of its own. */
  async #follow(entry: ModuleEntry, cause: Cause): Promise<void> {
    const { state } = entry;
    if (this.#isClosing || this.#entries.get(entry.name) !== entry) return;
    if (state.kind === "backoff") {
      leaveBackoff(state);
      this.#restart(entry, cause);
      await entry.busy;
    } else if (state.kind === "up") {
      await this.#occupy(entry, this.#replace(entry, state.instance, {}, cause));
    }
  }

  async #replace(
    entry: ModuleEntry,
    old: ModuleInstance,
    request: ReloadRequest,
    cause?: Cause,
  ): Promise<Loaded> {
    const hold = new HoldQueue(this.#host, old.peer);
    entry.state = { kind: "reloading", hold };
    const file = await this.#findAgain(entry, old, { request, hold });
    old.hold = hold;
    old.shutdown();
    const end = await old.ended;
    if (end.kind === "failed") logFailure(this.#host, entry, end);
    this.#followers.ended(entry);
    if (cause === undefined) entry.restarts.reset();
    entry.change(request);
    entry.file = file;
    try {
      return this.#announce(await this.#start(entry, { hold, cause }));
    } catch (cause) {
      const errnum = errnumOf(cause) ?? ERRNO.EIO;
      hold.fail(errnum, messageOf(cause));
      if (entry.isAbandoned || this.#isClosing) {
        this.#forget(entry);
        throw cause;
      }
      // Nothing of it runs any more, which is a failure like any other.
      const message = `${entry.name} is stopped; its file cannot be loaded: ${messageOf(cause)}`;
      this.#failed(entry, { kind: "failed", errnum, message, detail: message });
      throw new SluiceError("BROKER_REQUEST", message, { cause, errnum });
    }
  }

  /** Finds and checks a module's file while the old instance of it runs: what does not compile must not end that. */
  async #findAgain(
    entry: ModuleEntry,
    old: ModuleInstance,
    { request, hold }: { readonly request: ReloadRequest; readonly hold: HoldQueue },
  ): Promise<FoundModule> {
    const { cacheDir } = this.#host;
    const { name } = entry;
    const wanted = { ...entry.requestAfter(request), name };
    try {
      const file = await this.#host.find(wanted);
      await file.loader.check?.({ ...wanted, path: file.path, cacheDir, env: this.#host.environment() });
      if (file.member !== undefined) {
        const others = this.#othersThan([entry.name]);
        const asked = { ...entry.requestAfter(request), unit: entry.name };
        const found = { ...file, member: file.member };
        await this.#host.libraries.admit(found, asked, { digest: undefined, others });
      }
      return file;
    } catch (error) {
      const { state } = old;
      if (state.letter !== "E") hold.giveBack(old.peer);
      else hold.fail(errnumOf(error) ?? ERRNO.EIO, messageOf(error));
      entry.state = { kind: "up", instance: old };
      // It was not looked after meanwhile.
      if (state.letter === "E") this.#ended(entry, state.end);
      throw error;
    }
  }

  async #watch(entry: ModuleEntry, instance: ModuleInstance): Promise<void> {
    const end = await instance.ended;
    if (entry.state.kind === "up" && entry.instance === instance) this.#ended(entry, end);
  }

  #ended(entry: ModuleEntry, end: ModuleEnd): void {
    switch (end.kind) {
      case "ok":
      case "cancelled":
        this.#followers.ended(entry);
        this.#host.log("info", `${entry.name} exited`);
        this.#exited(entry);
        return;
      case "failed":
        this.#failed(entry, end);
        return;
    }
  }

  /** What follows when it ended in order, and nothing asked it to. */
  #exited(entry: ModuleEntry): void {
    const { onExit } = entry.request;
    const delayMs =
      onExit === "restart" ? restartDelay(this.#host, entry, `${entry.name} exited`) : undefined;
    if (onExit === "shutdown") this.#host.shutdown();
    this.#startLater(entry, delayMs);
  }

  #failed(entry: ModuleEntry, failure: ModuleFailure): void {
    const delayMs = afterFailure(this.#host, entry, failure);
    this.#followers.ended(entry, { isForGood: delayMs === undefined });
    this.#startLater(entry, delayMs);
  }

  #startLater(entry: ModuleEntry, delayMs: number | undefined): void {
    if (delayMs === undefined) {
      this.#forget(entry);
      return;
    }
    const timer = this.#host.clock.after(delayMs, () => this.#restart(entry));
    entry.state = { kind: "backoff", timer };
  }

  #restart(entry: ModuleEntry, cause?: Cause): void {
    entry.state = { kind: "starting" };
    const work = this.#start(entry, { cause });
    entry.busy = work.then(
      (loaded) => {
        this.#host.log("notice", `${entry.name} runs again`);
        this.#announce(loaded);
      },
      (error: unknown) => {
        if (entry.isAbandoned || this.#isClosing) {
          this.#forget(entry);
          return;
        }
        const message = messageOf(error);
        this.#failed(entry, {
          kind: "failed",
          errnum: errnumOf(error) ?? ERRNO.EIO,
          message,
          detail: message,
        });
      },
    );
  }
}

/**
 * A memory limit needs a process of its own: the threads of the broker share its heap.
 * @throws SluiceError `EINVAL` if the thread loader is asked for by name
 */
function withOwnProcess(request: LoadRequest): LoadRequest {
  const { memoryLimitBytes, loader, command } = request;
  if (memoryLimitBytes === undefined || command !== undefined) return request;
  if (loader === "thread") {
    throw requestError("EINVAL", "a memory limit needs a process of its own; leave out the loader 'thread'");
  }
  return { ...request, exec: true };
}

/** The longest time that stopping a program takes by itself: its time-out, and what the system takes to kill it. */
function stopLimitMs({ timeoutMs = STOP_MS }: StopRule = {}): number {
  return timeoutMs + KILL_MS;
}

/** It is removed, or started by something else than its timer. */
function leaveBackoff({ timer, giveUp }: EntryState & { readonly kind: "backoff" }): void {
  timer.cancel();
  giveUp?.();
}

function notLoaded(which: string): Error {
  return requestError("ENOENT", `${which}: No such file or directory`);
}

import { errnumOf, ERRNO, messageOf, requestError } from "../../errors/index.js";
import { afterFailure, logFailure, restartDelay } from "./failure-policy.js";
import type { Cause, Followers } from "./followers.js";
import type { HoldQueue } from "./hold-queue.js";
import type { GoneModule, KnownModules } from "./known-modules.js";
import type { Loaded, ModuleEntry } from "./module-entry.js";
import { failureError, type ModuleEnd, type ModuleFailure, type ModuleInstance } from "./module-instance.js";
import type { ModulePeers } from "./module-peers.js";
import { type ModuleHost, startInstance } from "./module-start.js";

/** The dependencies of module runs. */
export interface RunsOptions {
  readonly host: ModuleHost;
  readonly known: KnownModules;
  readonly peers: ModulePeers;
  readonly followers: Followers;
}

/** The runs of modules: starts each run, watches it until its end, and then applies the policy of its unit. */
export class ModuleRuns {
  readonly #host: ModuleHost;
  readonly #known: KnownModules;
  readonly #peers: ModulePeers;
  readonly #followers: Followers;

  constructor({ host, known, peers, followers }: RunsOptions) {
    this.#host = host;
    this.#known = known;
    this.#peers = peers;
    this.#followers = followers;
  }

  /** Starts the first run of a module. If the unit of a program has restarts, it tries again, up to the number in the unit. */
  async load(entry: ModuleEntry, cause?: Cause): Promise<Loaded> {
    for (;;) {
      try {
        return await this.start(entry, { cause });
      } catch (error) {
        const delayMs = this.#isWorthATry(entry, error)
          ? entry.restarts.failed(this.#host.clock.now())
          : undefined;
        if (delayMs === undefined) {
          if (!entry.isAbandoned) this.#known.noteFailure(entry.name, messageOf(error));
          this.#known.forget(entry);
          throw error;
        }
        this.#host.log("notice", `${messageOf(error)}; ${entry.name} starts again in ${delayMs / 1000} s`);
        await this.#backOff(entry, delayMs);
        entry.state = { kind: "starting" };
      }
    }
  }

  /** Starts a run of a module, and resolves when it reports that it runs. */
  async start(
    entry: ModuleEntry,
    { hold, cause }: { readonly hold?: HoldQueue; readonly cause?: Cause | undefined } = {},
  ): Promise<Loaded> {
    const instance = await startInstance(this.#host, entry, {
      others: this.#known.othersThan([entry.name]),
      isHeld: hold !== undefined,
      onStarted: (started) => {
        entry.instance = started;
        this.#peers.add(started, entry);
      },
    });
    if (entry.library !== undefined) await this.#bind(entry, instance);
    hold?.release(entry.name, instance.peer);
    this.#known.forgetFailure(entry.name);
    entry.state = { kind: "up", instance };
    if (entry.watchdogMs !== undefined)
      instance.watch(entry.watchdogMs, () => this.#host.waitingFor(entry.name));
    this.#host.started(entry.name, instance.conf);
    entry.restarts.ready(this.#host.clock.now());
    void this.#watch(entry, instance);
    void this.#followers.started(entry, cause);
    return { name: entry.name, uuid: instance.uuid };
  }

  /** Starts a run of a module that has ended, in the background. */
  restart(entry: ModuleEntry, cause?: Cause): void {
    entry.state = { kind: "starting" };
    const work = this.start(entry, { cause });
    entry.busy = work.then(
      (loaded) => {
        this.#host.log("notice", `${entry.name} runs again`);
        this.announce(loaded);
      },
      (error: unknown) => {
        if (entry.isAbandoned || this.#known.isSealed) {
          this.#known.forget(entry);
          return;
        }
        const message = messageOf(error);
        this.failed(entry, {
          kind: "failed",
          errnum: errnumOf(error) ?? ERRNO.EIO,
          message,
          detail: message,
        });
      },
    );
  }

  /**
   * Ends a run, and resolves when all parts of the module have ended.
   * @throws SluiceError the module's own error, if it ended with one
   */
  async stop(entry: ModuleEntry, instance: ModuleInstance, isCancel: boolean): Promise<void> {
    if (isCancel) await instance.cancel();
    else instance.shutdown();
    const end = await instance.ended;
    this.#known.forgetGone(entry.name);
    this.#followers.ended(entry);
    this.#followers.removed(entry.name);
    this.#known.forget(entry);
    if (end.kind !== "failed") return;
    logFailure(this.#host, entry, end);
    throw failureError(end);
  }

  /** Applies the failure policy after a run has ended by itself. */
  ended(entry: ModuleEntry, end: ModuleEnd): void {
    switch (end.kind) {
      case "ok":
      case "cancelled":
        this.#followers.ended(entry);
        this.#host.log("info", `${entry.name} exited`);
        this.#exited(entry);
        return;
      case "failed":
        this.failed(entry, end);
        return;
    }
  }

  /** Applies the failure policy after a run has failed. */
  failed(entry: ModuleEntry, failure: ModuleFailure): void {
    this.#known.noteFailure(entry.name, failure.message);
    if (entry.trial !== undefined) {
      logFailure(this.#host, entry, failure);
      this.#followers.ended(entry, { isForGood: true });
      this.#startLater(entry, undefined, "failed");
      entry.trial.failed(entry.name, failure.message);
      return;
    }
    const delayMs = afterFailure(this.#host, entry, failure);
    this.#followers.ended(entry, { isForGood: delayMs === undefined });
    this.#startLater(entry, delayMs, "failed");
  }

  /**
   * Announces a new instance to the modules that depend on this one. The new instance has none of the messages that
   * the old one received.
   */
  announce(loaded: Loaded): Loaded {
    this.#host.announce("module.reloaded", { ...loaded });
    return loaded;
  }

  /** Whether a program began to run, so that it ended or missed a time-out, and is still to be loaded. */
  #isWorthATry(entry: ModuleEntry, error: unknown): boolean {
    const errnum = errnumOf(error);
    const isOwnEnd = errnum === ERRNO.ECONNRESET || errnum === ERRNO.ETIMEDOUT;
    return (
      entry.isProgram && entry.policy === "restart" && isOwnEnd && !entry.isAbandoned && !this.#known.isSealed
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

  /**
   * The last phase of a module of a library. It gets the service of its kind, or it ends if it lacks methods of that
   * kind.
   */
  async #bind({ library }: ModuleEntry, instance: ModuleInstance): Promise<void> {
    if (library === undefined) return;
    const { services } = this.#host.router;
    const { kind } = library.manifest;
    try {
      await this.#host.libraries.checkBinding(library, instance.methods);
      if (kind === undefined || services.owner(kind) === instance.peer) return;
      if (!this.#peers.claim(instance.peer, kind)) services.add(kind, instance.peer);
    } catch (error) {
      await instance.cancel();
      await instance.ended;
      throw error;
    }
  }

  async #watch(entry: ModuleEntry, instance: ModuleInstance): Promise<void> {
    const end = await instance.ended;
    if (entry.state.kind === "up" && entry.instance === instance) this.ended(entry, end);
  }

  /** The policy after a clean end without a request. */
  #exited(entry: ModuleEntry): void {
    const { onExit } = entry.request;
    const delayMs =
      onExit === "restart" ? restartDelay(this.#host, entry, `${entry.name} exited`) : undefined;
    if (onExit === "shutdown") this.#host.shutdown();
    this.#startLater(entry, delayMs, "ended");
  }

  #startLater(entry: ModuleEntry, delayMs: number | undefined, state: GoneModule["state"]): void {
    if (delayMs === undefined) {
      this.#known.noteGone(entry, state);
      this.#known.forget(entry);
      return;
    }
    const timer = this.#host.clock.after(delayMs, () => this.restart(entry));
    entry.state = { kind: "backoff", timer };
  }
}

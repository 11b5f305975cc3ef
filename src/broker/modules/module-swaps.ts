import { errnumOf, ERRNO, messageOf, SluiceError } from "../../errors/index.js";
import { logFailure } from "./failure-policy.js";
import type { Cause, Followers } from "./followers.js";
import { HoldQueue } from "./hold-queue.js";
import {
  leaveBackoff,
  type Loaded,
  type LoadRequest,
  type ModuleEntry,
  type ReloadRequest,
  type Trial,
} from "./module-entry.js";
import type { FoundModule } from "./module-finder.js";
import type { KnownModules } from "./known-modules.js";
import type { ModuleInstance } from "./module-instance.js";
import type { ModuleRuns, RunsOptions } from "./module-runs.js";
import type { ModuleHost } from "./module-start.js";

/** The replacement of a running module. */
export interface Swap {
  readonly wanted: LoadRequest;
  /** Undefined: the swap must find the file first. */
  readonly file?: FoundModule | undefined;
  /** Puts it into the entry, when no run is left. */
  readonly take: () => void;
  readonly cause?: Cause | undefined;
  readonly trial?: Trial | undefined;
}

/** Replaces the runs of modules by new ones, and holds requests to them meanwhile. */
export class ModuleSwaps {
  readonly #host: ModuleHost;
  readonly #known: KnownModules;
  readonly #followers: Followers;
  readonly #runs: ModuleRuns;

  constructor({ host, known, followers }: RunsOptions, runs: ModuleRuns) {
    this.#host = host;
    this.#known = known;
    this.#followers = followers;
    this.#runs = runs;
  }

  /** Replaces a run by one from the same file, with the new values of a reload. */
  reload(entry: ModuleEntry, old: ModuleInstance, request: ReloadRequest, cause?: Cause): Promise<Loaded> {
    const wanted = { ...entry.requestAfter(request), name: entry.name };
    const file = request.isSame === true ? entry.file : undefined;
    return this.replace(entry, old, { wanted, file, take: () => entry.change(request), cause });
  }

  /** Restarts a module because of another. That does not count as a try of its own. */
  async follow(entry: ModuleEntry, cause: Cause): Promise<void> {
    const { state } = entry;
    if (this.#known.isSealed || this.#known.entry(entry.name) !== entry) return;
    if (state.kind === "backoff") {
      leaveBackoff(state);
      this.#runs.restart(entry, cause);
      await entry.busy;
    } else if (state.kind === "up") {
      await entry.occupy(this.reload(entry, state.instance, {}, cause));
    }
  }

  /** Replaces a run by another. If the other one cannot be found or does not compile, the old one still runs. */
  async replace(entry: ModuleEntry, old: ModuleInstance, swap: Swap): Promise<Loaded> {
    const hold = new HoldQueue(this.#host, old.peer);
    entry.state = { kind: "reloading", hold };
    const file = await this.#findAgain(entry, old, { ...swap, hold });
    old.hold = hold;
    old.shutdown();
    const end = await old.ended;
    if (end.kind === "failed") logFailure(this.#host, entry, end);
    this.#followers.ended(entry);
    if (swap.cause === undefined) entry.restarts.reset();
    swap.take();
    entry.file = file;
    entry.trial = swap.trial;
    return this.startHeld(entry, hold, swap);
  }

  /** Starts the new run of a module whose requests are held. */
  async startHeld(
    entry: ModuleEntry,
    hold: HoldQueue,
    { cause, trial }: Pick<Swap, "cause" | "trial">,
  ): Promise<Loaded> {
    entry.state = { kind: "reloading", hold };
    try {
      return this.#runs.announce(await this.#runs.start(entry, { hold, cause }));
    } catch (error) {
      if (trial !== undefined && !this.#known.isSealed) {
        entry.isAbandoned = false;
        entry.state = { kind: "reloading", hold, isStalled: true };
        throw error;
      }
      const errnum = errnumOf(error) ?? ERRNO.EIO;
      hold.fail(errnum, messageOf(error));
      if (entry.isAbandoned || this.#known.isSealed) {
        this.#known.forget(entry);
        throw error;
      }
      // The module no longer runs, which is a failure like any other.
      const message = `${entry.name} is stopped; its file cannot be loaded: ${messageOf(error)}`;
      this.#runs.failed(entry, { kind: "failed", errnum, message, detail: message });
      throw new SluiceError("BROKER_REQUEST", message, { cause: error, errnum });
    }
  }

  /** Ends a module whose new run has failed. */
  dropStalled(entry: ModuleEntry, hold: HoldQueue): void {
    hold.fail(ERRNO.ENOENT, `${entry.name}: No such file or directory`);
    this.#followers.removed(entry.name);
    this.#known.forget(entry);
  }

  /**
   * Finds, opens and compiles the file of a module before its load, and verifies its library.
   * @param known the file, if the caller has found it already
   */
  async check(
    wanted: LoadRequest & { readonly name: string },
    going: readonly string[],
    known?: FoundModule,
  ): Promise<FoundModule> {
    const { cacheDir } = this.#host;
    const { kept } = wanted;
    known?.verify?.();
    const file = known ?? (await this.#host.find(wanted));
    const env = kept?.env ?? this.#host.environment();
    await file.loader.check?.({
      ...{ ...wanted, path: file.path, cacheDir, env },
      fileVariables: kept?.fileVariables,
    });
    if (file.member !== undefined) {
      const others = this.#known.othersThan(going);
      const asked = { ...wanted, unit: wanted.name };
      const found = { ...file, member: file.member };
      await this.#host.libraries.admit(found, asked, { digest: undefined, others });
    }
    return file;
  }

  /**
   * Finds and checks a module's file while the old instance runs, so that a file that does not compile does not end
   * that instance.
   */
  async #findAgain(
    entry: ModuleEntry,
    old: ModuleInstance,
    { wanted, file, hold }: Pick<Swap, "wanted" | "file"> & { readonly hold: HoldQueue },
  ): Promise<FoundModule> {
    try {
      return await this.check({ ...wanted, name: entry.name }, [entry.name], file);
    } catch (error) {
      const { state } = old;
      if (state.letter !== "E") hold.giveBack(old.peer);
      else hold.fail(errnumOf(error) ?? ERRNO.EIO, messageOf(error));
      entry.state = { kind: "up", instance: old };
      // This handles failures that came during the reload.
      if (state.letter === "E") this.#runs.ended(entry, state.end);
      throw error;
    }
  }
}

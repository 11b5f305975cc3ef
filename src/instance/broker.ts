import { Broker as Rank, type CloseReport, type ShutdownReason, STOPPING_GRACE_MS } from "../broker/index.js";
import { errnumOf, messageOf, requestError, SluiceError } from "../errors/index.js";
import type { Plan } from "../graph/index.js";
import { type Handle, type Limits, watchLimits, withinLimits } from "../messages/index.js";
import { atExit, startTimer } from "../processes/index.js";
import { rcFiles } from "../rc/index.js";
import {
  type Catalog,
  createFileGuard,
  defaultDirectories,
  INSECURE,
  rcSearchPath,
  type Runlevel,
} from "../units/index.js";
import {
  catalogOf,
  configOf,
  type InstanceOptions,
  rankOptions,
  requirePackage,
} from "./instance-options.js";
import { type PhaseResult, type PhaseSettings, runStart, runStop, type StartSource } from "./phase-run.js";
import { StartError } from "./start-error.js";
import type { UnitOutcome } from "./unit-outcome.js";

/** The result of a shutdown. */
export interface ShutdownReport extends CloseReport {
  /** The result of each unit in the shutdown: tasks, and removed modules. */
  readonly units: readonly UnitOutcome[];
}

/**
 * A whole instance of one rank in this process (docs/design/embedding.md). It runs in the event loop of its
 * host. It never ends the process, changes its directory or environment, or handles its signals. Brokers
 * share no state.
 */
export class Broker {
  /**
   * Resolves when the broker has ended. Rejects with a SluiceError `BROKER_STATE` if a module with the policy `panic`
   * failed. The instance has then shut down cleanly. The promise needs no handler.
   */
  readonly closed: Promise<CloseReport>;
  readonly #rank: Rank;
  readonly #options: InstanceOptions;
  /** Cancels the start when aborted. */
  readonly #giveUp = new AbortController();
  /** Cancels the rest of the shutdown when aborted. */
  readonly #hurry = new AbortController();
  #phase: Promise<unknown> = Promise.resolve();
  #settings: PhaseSettings | undefined;
  #started: PhaseResult | undefined;
  #panic: SluiceError | undefined;
  #isUp = false;
  #down: Promise<ShutdownReport> | undefined;
  #closing: Promise<CloseReport> | undefined;
  /** Undoes the instance's changes if the process exits before the instance closes. */
  #stay: (() => void) | undefined;
  #settleClosed: (report: CloseReport) => void = () => undefined;

  private constructor(rank: Rank, options: InstanceOptions) {
    this.#rank = rank;
    this.#options = options;
    this.closed = new Promise((resolve, reject) => {
      this.#settleClosed = (report) => (this.#panic === undefined ? resolve(report) : reject(this.#panic));
    });
    this.closed.catch(() => undefined);
    rank.onShutdown((reason) => this.#asked(reason));
  }

  /**
   * Starts an instance. Resolves after the plan of rc1. A failed start shuts the instance down before the
   * promise rejects.
   * @throws StartError with the result of each unit, and all problems of the input. Codes: `RUN_FAILED` if
   *   a unit failed; for invalid input the code of the first problem; `BROKER_REQUEST` with `ECANCELED` or
   *   `ETIMEDOUT` at a limit. `BROKER_STATE`: a module with the policy `panic` failed, the rundir or statedir
   *   is unusable, or files of the package are missing.
   */
  static async start(options: InstanceOptions = {}): Promise<Broker> {
    requirePackage();
    const catalog = catalogOf(options.units);
    const config = configOf(options.config);
    const stop = new AbortController();
    const unwatch = watchLimits("start of the broker", options, (error) => stop.abort(error));
    try {
      stop.signal.throwIfAborted();
      const rank = await Rank.start(rankOptions(options, config));
      const broker = new Broker(rank, options);
      stop.signal.addEventListener("abort", () => broker.#giveUp.abort(stop.signal.reason), { once: true });
      if (stop.signal.aborted) broker.#giveUp.abort(stop.signal.reason);
      await broker.#bringUp(catalog);
      return broker;
    } catch (error) {
      throw asStartError(error);
    } finally {
      unwatch();
    }
  }

  /** The result of each unit that rc1 started, in the order of the plan. */
  get units(): readonly UnitOutcome[] {
    return this.#started?.units ?? [];
  }

  /** The plan of rc1, which also explains why units stay out; undefined without `units`. */
  get plan(): Plan | undefined {
    return this.#started?.plan;
  }

  /** The URI of the local socket, for `connect()` and for programs; undefined without a socket. */
  get uri(): string | undefined {
    return this.#rank.uri;
  }

  get rundir(): string {
    return this.#rank.rundir;
  }

  get rank(): number {
    return this.#rank.rank;
  }

  get size(): number {
    return this.#rank.size;
  }

  /** The number of unanswered requests that the broker has passed on. */
  get pendingRequests(): number {
    return this.#rank.pendingRequests;
  }

  /**
   * Connects to the broker from its own thread. Another thread uses `connect()` with the {@link uri}.
   * @param options limits. With `guest`, the handle has no rights of the owner, for example for users of an
   *   application
   * @throws SluiceError `BROKER_STATE` after the broker has closed; `BROKER_REQUEST` at a limit
   */
  async connect({ guest, ...limits }: { readonly guest?: boolean } & Limits = {}): Promise<Handle> {
    const connecting = this.#rank.connect({ guest: guest === true });
    try {
      return await withinLimits("connection", limits, connecting);
    } catch (error) {
      // A handle that opens too late has no owner.
      void connecting.then((handle) => handle.close()).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Shuts the instance down cleanly: the tasks of rc3, then each module, in the reverse order of loading. A
   * further call returns the result of the first.
   * @param limits at a limit, the broker cancels the remaining modules. The promise rejects after the end
   * @throws SluiceError `BROKER_REQUEST` with `ECANCELED` or `ETIMEDOUT` at a limit
   */
  async shutdown(limits: Limits = {}): Promise<ShutdownReport> {
    let reached: SluiceError | undefined;
    this.#down ??= this.#goDown(undefined);
    const unwatch = watchLimits("shutdown of the broker", limits, (error) => {
      reached = error;
      this.#hurry.abort(error);
    });
    const report = await this.#down.finally(unwatch);
    if (reached !== undefined) throw reached;
    return report;
  }

  /**
   * Lets the process end although the broker is open. If the process then ends, the broker kills all
   * processes that it has started, and removes its files. During a shutdown or {@link close}, the process
   * still waits.
   */
  unref(): void {
    if (this.#down !== undefined || this.#closing !== undefined) return;
    this.#rank.setRef(false);
    this.#stay ??= atExit(() => this.#rank.abandon());
  }

  /** Undoes {@link unref}: the broker keeps the process alive until it has closed. */
  ref(): void {
    this.#rank.setRef(true);
    this.#stay?.();
    this.#stay = undefined;
  }

  /** Ends the broker at once: cancels the modules, closes connections, and removes all files that it made. */
  close(): Promise<CloseReport> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #bringUp(catalog: Catalog | undefined): Promise<void> {
    try {
      if (catalog !== undefined) this.#started = await this.#startUnits(catalog);
      this.#giveUp.signal.throwIfAborted();
      const failure = this.#started && failureOf(this.#started);
      if (failure !== undefined) throw failure;
      this.#isUp = true;
    } catch (error) {
      const cause: unknown = this.#giveUp.signal.aborted ? this.#giveUp.signal.reason : error;
      await this.#takeBack();
      throw asStartError(cause, this.units);
    }
  }

  async #startUnits(catalog: Catalog): Promise<PhaseResult> {
    const { insecure = false, jobs, keepGoing, onEvent } = this.#options;
    this.#settings = {
      broker: this.#rank,
      handle: await this.#rank.connect(),
      catalog,
      guard: insecure ? INSECURE : createFileGuard(),
      insecure,
      jobs,
      keepGoing,
      onEvent,
    };
    const running = runStart(this.#settings, await this.#startSource(), this.#giveUp.signal);
    this.#phase = running;
    return running;
  }

  async #startSource(): Promise<StartSource> {
    const { roots } = this.#options;
    if (roots !== undefined) return { kind: "roots", roots };
    return { kind: "files", files: await this.#files("rc1") };
  }

  #files(runlevel: Runlevel): Promise<string[]> {
    const env = this.#rank.environment.all();
    const directories = defaultDirectories(env);
    const path = this.#options.searchPath ?? rcSearchPath(env, directories);
    return rcFiles(path, runlevel, directories.libexecDir);
  }

  /** Undoes a start that failed. */
  async #takeBack(): Promise<void> {
    this.#down ??= this.#goDown(this.#giveUp.signal.aborted ? STOPPING_GRACE_MS : undefined);
    await this.#down;
  }

  async #goDown(cancelAfterMs: number | undefined): Promise<ShutdownReport> {
    this.#rank.setRef(true);
    await Promise.allSettled([this.#phase]);
    const { signal } = this.#hurry;
    const deadline = startTimer(this.#rank.shutdownTimeoutMs(), () => this.#hurry.abort());
    const result = await this.#runStop(cancelAfterMs);
    const failed = this.#closing === undefined ? await this.#rank.takeDown({ cancelAfterMs, signal }) : [];
    deadline.cancel();
    const closed = await this.close();
    const isClean = result?.report.ok !== false && failed.length === 0;
    return { ...closed, status: isClean ? closed.status : 1, units: result?.units ?? [] };
  }

  /** Carries out rc3, and only logs a failure. */
  async #runStop(cancelAfterMs: number | undefined): Promise<PhaseResult | undefined> {
    if (this.#settings === undefined || this.#closing !== undefined) return undefined;
    try {
      // Rc3's files may not match the roots, which replace rc1's files.
      const files = this.#options.roots === undefined ? await this.#files("rc3") : [];
      const running = runStop(this.#settings, { files, cancelAfterMs }, this.#hurry.signal);
      this.#phase = running;
      const result = await running;
      for (const { unit, error } of result.units) {
        if (error !== undefined) this.#rank.log.append("rc3", "err", `${unit}: ${messageOf(error)}`);
      }
      return result;
    } catch (error) {
      this.#rank.log.append("rc3", "err", messageOf(error));
      return undefined;
    }
  }

  async #close(): Promise<CloseReport> {
    const ended = requestError("ECANCELED", "the broker was closed");
    this.#rank.setRef(true);
    this.#giveUp.abort(ended);
    this.#hurry.abort(ended);
    const report = await this.#rank.close();
    await Promise.allSettled([this.#phase]);
    this.#stay?.();
    this.#settleClosed(report);
    return report;
  }

  #asked(reason: ShutdownReason): void {
    if (reason.kind === "panic") this.#panic ??= new SluiceError("BROKER_STATE", reason.message);
    if (!this.#isUp) {
      this.#giveUp.abort(
        this.#panic ?? requestError("ECANCELED", "the broker received a request to shut down"),
      );
      return;
    }
    this.#down ??= this.#goDown(undefined);
  }
}

/** Why a start counts as failed although it was carried out. */
function failureOf({ report, units }: PhaseResult): StartError | undefined {
  if (report.ok) return undefined;
  const [first] = report.failed;
  if (first === undefined) return new StartError("RUN_CANCELLED", "the start was interrupted", { units });
  const { unit, message, error } = first;
  return new StartError("RUN_FAILED", `rc1 failed: ${unit}: ${message}`, { unit, units, cause: error });
}

function asStartError(error: unknown, units: readonly UnitOutcome[] = []): StartError {
  if (error instanceof StartError) return error;
  const known = error instanceof SluiceError ? error : undefined;
  const how = { cause: error, errnum: errnumOf(error), unit: known?.unit, units };
  return new StartError(known?.code ?? "INTERNAL", messageOf(error), how);
}

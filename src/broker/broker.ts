import { SluiceError } from "../errors/index.js";
import { kindsOf } from "../libraries/index.js";
import {
  channelPair,
  connectHandle,
  type Handle,
  type JsonValue,
  type LogLevel,
  type Welcome,
  WIRE_LIMITS,
} from "../messages/index.js";
import { type RankWaits, waitGraph, waitLines, waitsOf } from "../waits/index.js";
import {
  killMarked,
  type Mark,
  MARK_VARIABLE,
  markedEnvironment,
  markOf,
  partOf,
  Refs,
  sweep,
} from "../processes/index.js";
import type { Attributes } from "./attributes.js";
import type { BrokerOptions, CloseReport, ShutdownReason } from "./broker-options.js";
import { builtinAttributes } from "./builtin-attributes.js";
import { attachService } from "./builtin-service.js";
import { Clients } from "./routing/clients.js";
import { type Clock, systemClock } from "./clock.js";
import { Configuration } from "./configuration.js";
import { delayOf } from "./delay.js";
import { Environment } from "./environment.js";
import { ExecTable } from "./exec/exec-table.js";
import { BrokerLog } from "./log/log.js";
import { ProgramLogs, type TaskLine } from "./log/program-logs.js";
import { moduleFinder } from "./modules/module-finder.js";
import { ModuleLibraries } from "./modules/module-libraries.js";
import { MessageTrace } from "./routing/message-trace.js";
import { ModuleTable } from "./modules/module-table.js";
import { longestRemovalMs, takeDown, type TakeDownOptions } from "./modules/take-down.js";
import { loopback, type Overlay } from "./routing/overlay.js";
import { ownerCredentials } from "./routing/peer.js";
import { rankEvents } from "./ranks/rank-events.js";
import { RankOrders } from "./ranks/rank-orders.js";
import { Roster } from "./ranks/roster.js";
import { heldSenders, openRequests } from "./routing/open-requests.js";
import { Router } from "./routing/router.js";
import { openRunDirectory, openStateDirectory, type RunDirectory, socketPath } from "./rundir.js";
import type { BrokerFacts } from "./services/module-usage.js";
import { Runs } from "./services/run-service.js";
import { type BrokerParts, builtinServices } from "./services/builtin-services.js";
import { SocketServer } from "./routing/socket-server.js";
import { lockStateDirectory, type StateLock } from "./state-lock.js";

/** The time that an orderly shutdown may take in addition to the time-outs of the modules. */
const SHUTDOWN_MARGIN_MS = 5000;

/** How long the broker notes messages between modules for `modprobe learn`: longer than most starts take. */
const NOTES_MS = 60_000;

/**
 * One rank of an instance (docs/design/instance.md §1). It runs modules, and routes messages between its
 * modules, its clients and other ranks. Several brokers in one process share no state. A broker never ends
 * its process, changes its directory or handles its signals. {@link Broker.onShutdown} reports requests for
 * its shutdown.
 */
export class Broker {
  readonly rank: number;
  readonly size: number;
  readonly attributes: Attributes;
  readonly environment: Environment;
  readonly log: BrokerLog;
  readonly rundir: string;
  /** The ranks of the instance that are present. Only rank 0 has their states. */
  readonly roster: Roster;
  /** The orders of rank 0 to other ranks. */
  readonly orders = new RankOrders();
  /** The URI of the local socket; undefined without a socket. */
  readonly uri: string | undefined;
  /** The handles and timers that keep the process alive. */
  readonly #refs = new Refs();
  readonly #options: BrokerOptions;
  /** The mark of all processes that this broker starts. */
  readonly #mark: Mark | undefined;
  readonly #clock: Clock;
  readonly #overlay: Overlay;
  readonly #router: Router;
  readonly #directory: RunDirectory;
  readonly #configuration: Configuration;
  readonly #programs: ProgramLogs;
  readonly #modules: ModuleTable;
  readonly #trace = new MessageTrace();
  readonly #commands: ExecTable;
  readonly #clients: Clients;
  readonly #shutdownListeners = new Set<(reason: ShutdownReason) => void>();
  #server: SocketServer | undefined;
  #stateLock: StateLock | undefined;
  /** The handle for the broker's own requests to modules. */
  #handle: Handle | undefined;
  readonly #runs: Runs;
  #publishedEvents = 0;
  #hasPanicked = false;
  #closing: Promise<CloseReport> | undefined;

  private constructor(options: BrokerOptions, directory: RunDirectory) {
    this.#options = options;
    const whole = markOf(process.pid);
    this.#mark = whole && partOf(whole);
    this.#directory = directory;
    this.#overlay = options.overlay ?? loopback();
    this.#clock = options.clock ?? systemClock;
    this.#runs = new Runs(this.#clock);
    this.rank = this.#overlay.rank;
    this.size = this.#overlay.size;
    this.roster = new Roster(this.size, this.#clock);
    this.rundir = directory.path;
    const hasSocket = options.socket ?? true;
    this.uri = hasSocket ? `local://${socketPath(directory.path, this.rank)}` : undefined;
    this.environment = new Environment(options.env ?? process.env);
    this.attributes = builtinAttributes(options.attributes ?? {}, {
      rank: this.rank,
      size: this.size,
      rundir: this.rundir,
      cachedir: directory.cacheDir,
      statedir: this.#keepsState()
        ? openStateDirectory(options.attributes?.["statedir"] ?? "", {
            rank: this.rank,
            rundir: this.rundir,
            insecure: options.insecure,
          })
        : directory.stateDir,
      localUri: this.uri,
      startTimeMs: this.#clock.now(),
    });
    const { onStderr, onLog, onProgramLine } = options;
    this.log = new BrokerLog({ clock: this.#clock, attributes: this.attributes, onStderr, onLog });
    this.#router = new Router(this.#overlay, () => this.#wireLimits().payloadBytes);
    // The log file has all lines. The log of the broker has only its own lines.
    this.#programs = new ProgramLogs(this.#clock, ({ time, unit, text, leftOutBytes }) => {
      const shown = leftOutBytes === undefined ? text : `${leftOutBytes} bytes of output are left out`;
      onProgramLine?.({ time, level: "info", name: unit, text: shown });
    });
    const isLearning = this.attributes.get("broker.learn") === "1";
    this.#router.notesUntilMs = isLearning ? Infinity : performance.now() + NOTES_MS;
    this.#modules = this.#makeModules();
    this.#commands = new ExecTable({
      refs: this.#refs,
      clock: this.#clock,
      environment: () => this.programEnvironment(),
      blocklist: () => this.attributes.get("broker.env-blocklist") ?? "",
      own: () => ({ ...this.#marks(), ...(this.uri !== undefined && { SLUICE_URI: this.uri }) }),
      log: (level, text) => this.log.append("broker", level, text),
    });
    this.#configuration = this.#makeConfiguration();
    this.#clients = new Clients({
      router: this.#router,
      clock: this.#clock,
      welcome: (client, isGuest) => this.#welcome(client, isGuest),
      log: (level, text) => this.log.append("broker", level, text),
    });
  }

  /**
   * Starts a broker. Resolves when clients can connect and load modules.
   * @throws SluiceError `BROKER_STATE` if the rundir is open to other users, the statedir is in use, a
   *   directory cannot be created, or a path is invalid. `UNIT_INSECURE` if other users may write to the
   *   statedir. `BROKER_REQUEST` with `EPERM` or `EINVAL` for an attribute that the broker refuses to set.
   */
  static async start(options: BrokerOptions = {}): Promise<Broker> {
    const rank = options.overlay?.rank ?? 0;
    const directory = openRunDirectory(options.rundir, options.env ?? process.env, rank, options.insecure);
    let broker: Broker | undefined;
    try {
      broker = new Broker(options, directory);
      await broker.#open();
      return broker;
    } catch (error) {
      await broker?.close();
      directory.remove();
      throw error;
    }
  }

  /**
   * Connects to the broker from its own process. An application may let other users connect as guests. Their
   * requests reach only handlers that allow guests.
   * @throws SluiceError `BROKER_STATE` after `close()`
   */
  async connect({ guest = false }: { readonly guest?: boolean } = {}): Promise<Handle> {
    return this.#connect({ isGuest: guest });
  }

  /**
   * Calls the listener at each request to shut the instance down. The listener has to remove the modules and
   * call {@link close}.
   * @returns a function that removes the listener
   */
  onShutdown(listener: (reason: ShutdownReason) => void): () => void {
    this.#shutdownListeners.add(listener);
    return () => this.#shutdownListeners.delete(listener);
  }

  /** Notes the end of another rank's process, even if the rank's connection is still open. */
  rankEnded(rank: number): void {
    this.#overlay.ended?.(rank);
    this.roster.ended(rank);
  }

  /** The number of unanswered requests that the broker has passed on. */
  get pendingRequests(): number {
    return this.#router.pendingCount;
  }

  /** Stores a printed line of a task of rc1 or rc3 in the log and with the output of programs. */
  taskOutput(phase: string, { unit, stream, text }: TaskLine): void {
    this.log.append(phase, "info", unit === undefined ? text : `${unit}: ${text}`);
    if (unit !== undefined) this.#programs.task(unit, stream, text);
  }

  /** The environment for programs: the broker's environment and URI, without blocked variables. */
  programEnvironment(): Record<string, string> {
    const inherited = this.environment.inherited(this.attributes.get("broker.env-blocklist") ?? "");
    return { ...inherited, ...this.#marks(), ...(this.uri !== undefined && { SLUICE_URI: this.uri }) };
  }

  /**
   * Removes every loaded module, in the reverse order of loading. The broker then loads no more modules. The
   * broker uses its own records, and reads no files.
   * @returns names of the modules that did not end cleanly
   */
  takeDown(options: TakeDownOptions = {}): Promise<string[]> {
    const log = (level: LogLevel, text: string): void => this.log.append("broker", level, text);
    return takeDown(this.#modules, { clock: this.#clock, log }, options);
  }

  /** Modules that are starting or ending, each with the id of its own process, if any. */
  leavingModules(): { readonly name: string; readonly pid: number | undefined }[] {
    return this.#modules.known.list().flatMap(({ listed: { name, state }, usage }) => {
      if (state === "R" || state === "E") return [];
      return [
        {
          name: typeof name === "string" ? name : "",
          pid: usage?.pid === process.pid ? undefined : usage?.pid,
        },
      ];
    });
  }

  /** Creates the local socket again if it is missing, so that clients can connect again. */
  async ensureSocket(): Promise<void> {
    await this.#server?.ensure();
  }

  /**
   * How long an orderly shutdown may take, in milliseconds: the attribute `broker.shutdown-timeout`. If the
   * attribute has no value, the time is at least the sum of the modules' time-outs, plus some seconds.
   */
  shutdownTimeoutMs(): number {
    const timeoutMs = delayOf(this.attributes, "broker.shutdown-timeout");
    if (this.attributes.isGiven("broker.shutdown-timeout")) return timeoutMs;
    const { known } = this.#modules;
    const removalMs = longestRemovalMs(known.takeDownOrder(), (name) => known.entry(name)?.removalTimeoutMs);
    return Math.max(timeoutMs, removalMs + SHUTDOWN_MARGIN_MS);
  }

  /** Whether the broker and its modules keep the process alive. */
  setRef(isRef: boolean): void {
    this.#refs.set(isRef);
  }

  /**
   * Cleans up before the process ends: kills all processes that the broker has started, and removes the
   * broker's files.
   */
  abandon(): void {
    killMarked(this.#mark);
    this.#directory.remove();
  }

  /**
   * Ends the broker: cancels the remaining modules, closes connections, and removes all files that the broker
   * made. A second call returns the result of the first.
   */
  close(): Promise<CloseReport> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The environment variable by which the broker finds the processes that it has started. */
  #marks(): Record<string, string> {
    const value = markedEnvironment({}, this.#mark)[MARK_VARIABLE];
    return value === undefined ? {} : { [MARK_VARIABLE]: value };
  }

  /** Whether the state remains after the broker's end. An empty `statedir` counts as unset. */
  #keepsState(): boolean {
    return Boolean(this.#options.attributes?.["statedir"]);
  }

  async #open(): Promise<void> {
    const statedir = this.attributes.get("statedir");
    // Rank 0 locks for all ranks, because no instance uses the directories of other ranks without that of rank 0.
    if (this.#keepsState() && statedir !== undefined && this.rank === 0) {
      this.#stateLock = lockStateDirectory(statedir, this.rank);
    }
    for (const service of builtinServices(this.#parts())) attachService(this.#router, service, this.#trace);
    await this.#overlay.start(
      rankEvents({
        ...{ rank: this.rank, router: this.#router, roster: this.roster, clients: this.#clients },
        attributes: this.attributes,
        log: (level, text) => this.log.append("broker", level, text),
        wireLimits: () => this.#wireLimits(),
        config: () => this.#configuration.current,
        shutdownTimeoutMs: () => this.shutdownTimeoutMs(),
        mayRejoin: this.#options.rejoin !== false,
        onAbandoned: (message) => this.#requestShutdown({ kind: "panic", message }),
      }),
    );
    this.#handle = await this.#connect({ isGuest: false, name: "broker" });
    if (this.uri === undefined) return;
    this.#server = await SocketServer.listen({
      refs: this.#refs,
      path: socketPath(this.rundir, this.rank),
      handedFd: this.#options.socketFd,
      clock: this.#clock,
      limits: () => this.#wireLimits(),
      onConnection: (channel) => this.#clients.add(channel, { isGuest: false }),
      onError: (error) => this.log.append("broker", "err", `local socket: ${error.message}`),
    });
  }

  async #close(): Promise<CloseReport> {
    await this.#commands.close();
    const notShutDown = await this.#modules.close();
    for (const name of notShutDown) {
      this.log.append("broker", "err", `broker module '${name}' was not properly shut down`);
    }
    this.#clients.closeAll();
    await this.#server?.close();
    await this.#overlay.close();
    await this.#sweep();
    this.#stateLock?.release();
    this.#directory.remove();
    return { status: this.#hasPanicked || notShutDown.length > 0 ? 1 : 0, notShutDown };
  }

  /** Ends the processes that this broker started and that have left their process group. */
  async #sweep(): Promise<void> {
    const left = await sweep(this.#mark);
    if (left.length > 0)
      this.log.append(
        "broker",
        "warning",
        `processes ${left.join(", ")} still run after SIGKILL (owned by another user, or held by the kernel)`,
      );
  }

  #connect(options: { readonly isGuest: boolean; readonly name?: string }): Promise<Handle> {
    if (this.#closing !== undefined) {
      return Promise.reject(new SluiceError("BROKER_STATE", "the broker is closed"));
    }
    const [ours, theirs] = channelPair();
    this.#clients.add(ours, options);
    return connectHandle(theirs);
  }

  #makeModules(): ModuleTable {
    const find =
      this.#options.findModule ??
      moduleFinder({ ...this.#options, config: () => this.#configuration.current });
    const log = (level: LogLevel, text: string): void => this.log.append("broker", level, text);
    const { cacheDir } = this.#directory;
    const libraries = new ModuleLibraries({
      ...{ find, cacheDir, log },
      version: this.attributes.get("version") ?? "",
      kinds: () => kindsOf(this.#configuration.current["kinds"]),
      timeoutMs: () => delayOf(this.attributes, "broker.library-timeout"),
      environment: () => this.programEnvironment(),
    });
    return new ModuleTable({
      ...{ find, libraries, cacheDir, log },
      refs: this.#refs,
      router: this.#router,
      clock: this.#clock,
      trace: this.#trace,
      environment: () => this.programEnvironment(),
      defaultThread: () => this.attributes.get("broker.default-thread") ?? "own",
      maxPayloadBytes: () => this.#wireLimits().payloadBytes,
      welcome: (module) => this.#welcome(module, false),
      announce: (topic, module) => this.#publish(topic, { ...module, rank: this.rank }),
      started: (name, conf) => void this.#configuration.catchUp(name, conf),
      ended: (end) => this.#options.onModuleEnd?.(end),
      isPanicOff: () => this.attributes.get("broker.module-nopanic") === "1",
      panic: (message) => this.#panic(message),
      shutdown: () => void this.#handle?.rpc("broker.shutdown", undefined, { rank: 0 }),
      programLog: (name) => this.#programs.of(name),
      waitingFor: (name) => waitLines(waitsOf(waitGraph([this.#waits()]), name))[0],
    });
  }

  #waits(): RankWaits {
    const requests = openRequests(this.#router.peers(), performance.now());
    return { rank: this.rank, requests, modules: this.#modules.known.waited() };
  }

  #parts(): BrokerParts {
    return {
      ...{ rank: this.rank, attributes: this.attributes, environment: this.environment, log: this.log },
      ...{ roster: this.roster, orders: this.orders, clock: this.#clock, commands: this.#commands },
      ...{ configuration: this.#configuration, modules: this.#modules, overlay: this.#overlay },
      ...{ programs: this.#programs, router: this.#router, runs: this.#runs, trace: this.#trace },
      facts: this.#facts(),
      publish: this.#publishEvent,
      requestShutdown: () => this.#requestShutdown({ kind: "request" }),
      panic: (message) => this.#panic(message),
      waits: () => this.#waits(),
    };
  }

  #facts(): BrokerFacts {
    return {
      rank: this.rank,
      size: this.size,
      // Does not count the broker's own connection, or the connection of the request.
      clients: () => this.#clients.size - 1,
      pendingRequests: () => this.#router.pendingCount - 1,
      heldRequests: () => this.#modules.known.heldRequests() + heldSenders(this.#router.peers()),
      publishedEvents: () => this.#publishedEvents,
      droppedLogLines: () => this.log.ring.dropped + this.#programs.droppedLines,
      runs: () => this.#runs.totals(),
    };
  }

  #publish(topic: string, payload: JsonValue): void {
    const event = { topic, payload: JSON.stringify(payload), ...ownerCredentials() };
    this.#publishEvent(event, (outcome) => {
      if (!outcome.ok) this.log.append("broker", "err", `event ${topic}: ${outcome.error.message}`);
    });
  }

  readonly #publishEvent: Overlay["publish"] = (event, done) =>
    this.#overlay.publish(event, (outcome) => {
      if (outcome.ok) this.#publishedEvents += 1;
      done(outcome);
    });

  #makeConfiguration(): Configuration {
    const { config, checkConfig, readConfig } = this.#options;
    return new Configuration(config ?? {}, {
      check: (candidate) => checkConfig?.(candidate),
      read: readConfig,
      modules: () => this.#modules.known.names(),
      tell: async (module, candidate) => {
        const options = { timeoutMs: delayOf(this.attributes, "config.reload-timeout") };
        await this.#handle?.rpc(`${module}.config-reload`, candidate, options);
      },
      warn: (text) => this.log.append("broker", "warning", text),
      changing: (isUnderWay) => this.#options.onReload?.(isUnderWay),
    });
  }

  #welcome(client: Pick<Welcome, "name" | "uuid" | "args">, isGuest: boolean): Welcome {
    // The configuration may contain values that guests must not read.
    const conf = isGuest ? {} : this.#configuration.current;
    return { ...client, rank: this.rank, size: this.size, attrs: this.attributes.readOnly(), conf };
  }

  #wireLimits(): typeof WIRE_LIMITS {
    const payloadBytes = Number(this.attributes.get("broker.max-payload"));
    return { ...WIRE_LIMITS, payloadBytes };
  }

  #panic(message: string): void {
    this.#hasPanicked = true;
    this.#requestShutdown({ kind: "panic", message });
  }

  #requestShutdown(reason: ShutdownReason): void {
    for (const listener of [...this.#shutdownListeners]) listener(reason);
  }
}

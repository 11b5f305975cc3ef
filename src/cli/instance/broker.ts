import { constants } from "node:os";
import { Command, Option } from "commander";
import {
  attributeHint,
  Broker,
  followInstance,
  InstanceLife,
  leaderGates,
  localOverlay,
  type LogEntry,
  type LogFile,
  openLogFile,
  type Overlay,
  parseDelay,
  removeAbandonedRundir,
  ServiceNotifier,
  type StopReason,
  type StopSignal,
  type SupervisorOrder,
} from "../../broker/index.js";
import { indentLines, isErrno, SluiceError } from "../../errors/index.js";
import { checkConfig } from "../../instance/check-config.js";
import {
  becomeOwner,
  endOfShellStatus,
  inheritedMark,
  partEndText,
  pythonEnvironment,
  SAME_SIGNAL_MS,
  SignalWindow,
  sweep,
} from "../../processes/index.js";
import { assignment, collect, positiveInteger, wholeNumber } from "../arguments.js";
import { runBelowInit } from "./below-init.js";
import { reloadedConfig, startConfig } from "./broker-config.js";
import {
  brokerPrefix,
  Phases,
  report,
  supervisedProgram,
  takeDownStarter,
  type PhaseFailure,
} from "./broker-phases.js";
import { type BrokerCommandOptions, type BrokerPlace, brokerPlace } from "./broker-place.js";
import { refusalText, verifyModules } from "../../rc/index.js";
import { MODULES_ATTRIBUTE, pickedModules, withModules } from "./modules-option.js";
import { configInputs, withConfig } from "../config-inputs.js";
import { withOwnCommand } from "./command-path.js";
import { withInsecure } from "../insecure.js";
import { hideOverlay, withOverlay } from "./overlay-options.js";
import { ExitError, say, sayError } from "../terminal/output.js";
import { SHIPPED_MODULES } from "../version.js";

export function command(): Command {
  return withModules(withOverlay(withInsecure(withConfig(new Command("broker"), "-c, --config-path <path>"))))
    .addOption(new Option("--rank <n>", "rank of this broker").argParser(wholeNumber).default(0))
    .addOption(
      new Option(
        "--size <n>",
        "number of brokers (default: 1; for another rank than 0, that of the instance)",
      ).argParser(positiveInteger),
    )
    .option(
      "--rundir <dir>",
      "directory for the sockets, ours alone (default: a fresh one; for another rank than 0, that of SLUICE_URI)",
    )
    .addOption(new Option("-S, --setattr <name=value>", "set an attribute").argParser(collect(assignment)))
    .option("--log-file <file>", "append the log to this file, one JSON object a line")
    .addOption(new Option("--supervised-program", "the initial program is run by the supervisor").hideHelp())
    .addOption(
      new Option("--events-fd <fd>", "where rc1 and rc3 report events").argParser(wholeNumber).hideHelp(),
    )
    .option("-v, --verbose", "say what happens")
    .option("-q, --quiet", "no live view of rc1 on a terminal")
    .addHelpText(
      "after",
      "\nExamples:\n  sluice broker --rundir=/run/site -S statedir=/var/lib/site" +
        "\n  sluice broker --overlay=nats://n1:4222,nats://n2:4222 --instance=site --rank=0 --size=16" +
        "\n  sluice broker --rank=3 --rundir=/run/site    # a lost rank comes back",
    )
    .action(runBroker);
}

/** How long what a broker has started may take to end by itself if that is killed; a supervisor is sooner. */
const ORPHAN_GRACE_SECONDS = 3;

async function runBroker(options: BrokerCommandOptions): Promise<void> {
  if (await runBelowInit()) return;
  const isSupervised = process.connected;
  hideOverlay();
  const { notifySocket, isManaged } = takeServiceManager();
  becomeOwner({ graceSeconds: ORPHAN_GRACE_SECONDS });
  const stops = new Stops(isSupervised, { isManaged, ...sameSignal(options) });
  const phases = new Phases(options);
  try {
    const place = await placeOf(options, isSupervised, stops);
    const overlay = overlayOf(place);
    stops.onStop(() => void overlay?.close());
    const logFile = options.logFile === undefined ? undefined : logFileFor(options.logFile, place);
    const broker = await startBroker({ place, overlay, options, logFile, isSupervised, stops });
    await verifyPicked(broker, options, brokerPrefix(place));
    const notifier = notifySocket === undefined ? undefined : notifierFor(notifySocket, broker);
    process.exitCode = await live({ broker, options, phases, stops, notifier, isManaged });
    logFile?.close();
    await notifier?.close();
    // A supervisor removes the directory that it made, unless it is the one that is gone.
    if (isSupervised && !process.connected) {
      await removeAbandonedRundir(broker.rundir);
      if (broker.rank === 0) await sweep(inheritedMark());
    }
  } finally {
    await phases.close();
    if (process.connected) process.disconnect();
  }
}

/**
 * Verifies what `--modules` picks, before the instance has a state (docs/design/modules.md §6).
 * @throws ExitError after every failure was printed and the broker closed
 */
async function verifyPicked(broker: Broker, options: BrokerCommandOptions, prefix: string): Promise<void> {
  const units = pickedModules(options).fragments.flatMap(({ definitions }) => definitions);
  if (units.length === 0) return;
  const handle = await broker.connect();
  const modules = units.map(({ name, settings }) => ({ name, path: settings.module ?? "" }));
  const { failures } = await verifyModules(modules, handle);
  await handle.close();
  if (failures.length === 0) return;
  for (const failure of failures) say(`${prefix}: ${refusalText(failure)}`);
  await broker.close();
  throw new ExitError(1);
}

/** @throws ExitError after it was said what is wrong */
async function placeOf(
  options: BrokerCommandOptions,
  isSupervised: boolean,
  stops: Stops,
): Promise<BrokerPlace> {
  const stopped = new AbortController();
  stops.onStop(() => stopped.abort());
  try {
    return await brokerPlace(options, stopped.signal);
  } catch (error) {
    if (stops.status !== undefined && isErrno(error, "ECANCELED")) throw new ExitError(stops.status);
    if (!(error instanceof SluiceError)) throw error;
    // All ranks of one start show the same credentials, so that one of them may say for all that they are refused.
    if (!isSupervised || options.rank === 0 || !isErrno(error, "EACCES")) {
      sayError(error, brokerPrefix({ rank: options.rank, size: options.size ?? Infinity }));
    }
    throw new ExitError(1);
  }
}

interface LifeOptions {
  readonly broker: Broker;
  readonly phases: Phases;
  readonly options: BrokerCommandOptions;
  readonly stops: Stops;
  readonly notifier: ServiceNotifier | undefined;
  readonly isManaged: boolean;
}

/** @returns the exit status */
async function live({ broker, options, phases, stops, notifier, isManaged }: LifeOptions): Promise<number> {
  const followed = broker.rank === 0 ? undefined : followInstance(broker, await broker.connect());
  const life = new InstanceLife({
    ...(followed?.gates ?? leaderGates(broker)),
    // Asked when it is time: attributes may have been set meanwhile.
    get startRc1() {
      return phases.starter(broker, "rc1");
    },
    get startRc3() {
      return phases.starter(broker, "rc3");
    },
    get startTakeDown() {
      return takeDownStarter(broker);
    },
    startProgram: options.supervisedProgram ? () => supervisedProgram(broker) : undefined,
    shutdownTimeoutMs: () => {
      const timeoutMs = broker.shutdownTimeoutMs();
      report({ type: "stopping", timeoutMs: Number.isFinite(timeoutMs) ? timeoutMs : null });
      return timeoutMs;
    },
    isManaged,
    onState: (state) => {
      broker.log.append("broker", "debug", `state ${state}`);
      notifier?.state(state);
      if (state === "cleanup" || state === "shutdown") phases.prepareShutdown(broker);
      report({ type: "state", state });
    },
    onFailure: (phase, status) => {
      phases.failed(phase, partEndText(endOfShellStatus(status), "failed"));
      broker.log.append("broker", "err", `${phase} ${partEndText(endOfShellStatus(status), "failed")}`);
      if (phase === "rc1") followed?.rc1Failed();
      else report({ type: "unclean" });
    },
  });
  let panic: string | undefined;
  const stop = (reason: StopReason): void => {
    if (reason.kind === "panic") panic ??= reason.message;
    life.stop(reason);
  };
  phases.onWaiting = (text) => notifier?.status(`${life.state}: ${text}`);
  followed?.follow(stop);
  broker.onShutdown((reason) => {
    if (followed === undefined || !broker.roster.present.has(0)) stop(reason);
    else void followed.requestShutdown(reason, stop);
  });
  stops.onRankExit((rank) => broker.rankEnded(rank));
  stops.onStop(stop);
  const status = await life.run();
  const closed = await broker.close();
  if (closed.status !== 0) report({ type: "unclean" });
  const cause = panic ?? failureText(phases.failure);
  // Whatever the way down had to say, this is what an operator wants to read last.
  if (cause !== undefined) say(`${brokerPrefix(broker)}: ${cause}`);
  return Math.max(status, closed.status);
}

/** Such as `rc1 failed: kvs: no space left on device`. */
function failureText(failure: PhaseFailure | undefined): string | undefined {
  if (failure === undefined) return undefined;
  const { phase, unit, message } = failure;
  return `${phase} failed: ${unit === undefined ? "" : `${unit}: `}${message}`;
}

/** Of an instance of more than one rank, which has a run directory for all. */
function overlayOf({ rundir, ...place }: BrokerPlace): Overlay | undefined {
  if (place.overlay !== undefined) return place.overlay;
  return place.size === 1 || rundir === undefined ? undefined : localOverlay({ ...place, rundir });
}

interface BrokerStartOptions {
  readonly place: BrokerPlace;
  readonly overlay: Overlay | undefined;
  readonly options: BrokerCommandOptions;
  readonly logFile: LogFile | undefined;
  readonly isSupervised: boolean;
  readonly stops: Stops;
}

/** @throws ExitError after it was said what is wrong */
async function startBroker(starting: BrokerStartOptions): Promise<Broker> {
  const { place, overlay, options, logFile, isSupervised, stops } = starting;
  const prefix = brokerPrefix(place);
  // All ranks of one start are told the same, so that one of them may say for all what is wrong with it.
  const isQuiet = isSupervised && place.rank > 0;
  if (!isQuiet) warnOfAttributes(options, prefix);
  try {
    return await Broker.start({
      overlay,
      attributes: {
        ...Object.fromEntries(options.setattr ?? []),
        "instance-id": place.instanceId,
        ...(options.modules !== undefined && { [MODULES_ATTRIBUTE]: options.modules }),
        ...(place.servers !== undefined && { "overlay.nats": place.servers }),
      },
      config: place.configuration?.table ?? (await startConfig(options, isQuiet ? undefined : prefix)),
      readConfig: configInputs(options).length === 0 ? undefined : () => reloadedConfig(options),
      checkConfig,
      modulePath: [process.env["FLUX_MODULE_PATH"], SHIPPED_MODULES].filter(Boolean).join(":"),
      rundir: place.rundir,
      onStderr: (entry) => printLog(entry, place),
      onLog: (entry) => logFile?.write(entry),
      onProgramLine: (entry) => logFile?.write(entry),
      insecure: options.insecure,
      env: withOwnCommand(process.env, process.argv[1]),
    });
  } catch (error) {
    if (stops.status !== undefined && isErrno(error, "ECANCELED")) throw new ExitError(stops.status);
    if (!(error instanceof ExitError) && !(isQuiet && isSharedMistake(error))) sayError(error, prefix);
    throw new ExitError(1);
  }
}

/** A name that is nearly one that means something. */
function warnOfAttributes({ setattr = [] }: BrokerCommandOptions, prefix: string): void {
  for (const [name, value] of setattr) {
    const hint = attributeHint(name);
    if (hint !== undefined)
      say(`${prefix}: warning: flag -S ${name}=${value}: no attribute ${name} is known; ${hint}`);
  }
}

/** A wrong attribute. */
function isSharedMistake(error: unknown): boolean {
  return error instanceof SluiceError && error.code === "BROKER_REQUEST";
}

function logFileFor(path: string, place: BrokerPlace): LogFile {
  return openLogFile({
    path,
    rank: place.rank,
    onError: ({ message }) => say(`${brokerPrefix(place)}: ${message}`),
  });
}

/** The service manager that started us, if one did. What we start is none of its business. */
function takeServiceManager(): { readonly notifySocket: string | undefined; readonly isManaged: boolean } {
  const notifySocket = process.env["NOTIFY_SOCKET"] || undefined;
  const isManaged = notifySocket !== undefined || Boolean(process.env["INVOCATION_ID"]);
  delete process.env["NOTIFY_SOCKET"];
  delete process.env["INVOCATION_ID"];
  return { notifySocket, isManaged };
}

function sameSignal({ setattr = [] }: BrokerCommandOptions): { readonly sameSignalMs: number | undefined } {
  return { sameSignalMs: parseDelay(new Map(setattr).get("broker.same-signal-within") ?? "") };
}

function notifierFor(socket: string, broker: Broker): ServiceNotifier {
  return new ServiceNotifier({
    socket,
    senders: [
      { command: ["systemd-notify"] },
      { command: ["python3", "-m", "sluice.sd_notify"], env: pythonEnvironment(process.env) },
    ],
    onError: (text) => broker.log.append("broker", "warning", text),
  });
}

interface StopOptions {
  readonly isManaged: boolean;
  /** Within this time of the first, a further signal is the same one; undefined: the default. */
  readonly sameSignalMs: number | undefined;
}

/** Everything from outside that ends a broker, or tells of the end of another, from its first moment on. */
class Stops {
  readonly #endedRanks: number[] = [];
  #rankListener: (rank: number) => void = () => undefined;
  #listener: (reason: StopReason) => void = () => undefined;
  readonly #reasons: StopReason[] = [];
  readonly #signalledBy = new Set<"system" | "supervisor">();
  readonly #isManaged: boolean;

  constructor(isSupervised: boolean, { isManaged, sameSignalMs }: StopOptions) {
    this.#isManaged = isManaged;
    const window = new SignalWindow(() => sameSignalMs ?? SAME_SIGNAL_MS);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] satisfies StopSignal[]) {
      process.on(signal, () => {
        if (window.isNew()) this.#signalled("system", signal);
      });
    }
    process.on("message", (order: SupervisorOrder) => {
      if (order.type === "stop") this.#signalled("supervisor", order.signal);
      if (order.type === "rank-exit") {
        this.#endedRanks.push(order.rank);
        this.#rankListener(order.rank);
      }
    });
    // No process would end this one any more.
    const orphaned = (): void => this.#stop({ kind: "panic", message: "lost the supervisor" });
    process.on("disconnect", orphaned);
    if (isSupervised && !process.connected) orphaned();
  }

  /** What to exit with if nothing was begun before the end came. */
  get status(): number | undefined {
    const [first] = this.#reasons;
    if (first === undefined) return undefined;
    if (first.kind !== "signal") return 1;
    return this.#isManaged && first.signal === "SIGTERM" ? 0 : 128 + constants.signals[first.signal];
  }

  /** From now on this is told, beginning with what came before. */
  onStop(listener: (reason: StopReason) => void): void {
    this.#listener = listener;
    for (const reason of this.#reasons) listener(reason);
  }

  /** As {@link onStop}, of the process of another rank. */
  onRankExit(listener: (rank: number) => void): void {
    this.#rankListener = listener;
    this.#endedRanks.forEach(listener);
  }

  /** One signal may come both ways, as a service manager sends it to every process of a service. */
  #signalled(from: "system" | "supervisor", signal: StopSignal): void {
    const isRepeated = this.#signalledBy.has(from);
    const isNews = this.#signalledBy.size === 0;
    this.#signalledBy.add(from);
    if (isNews || isRepeated) this.#stop({ kind: "signal", signal });
  }

  #stop(reason: StopReason): void {
    this.#reasons.push(reason);
    this.#listener(reason);
  }
}

function printLog({ name, level, text }: LogEntry, { rank, size }: BrokerPlace): void {
  const source = size === 1 ? `${name}.${level}` : `${name}.${level}[${rank}]`;
  say(`${source}: ${indentLines(text)}`);
}

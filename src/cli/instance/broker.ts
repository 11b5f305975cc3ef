import { Command, Option } from "commander";
import type { Broker, ServiceNotifier } from "../../broker/index.js";
import {
  followInstance,
  InstanceLife,
  leaderGates,
  localOverlay,
  type LogFile,
  openLogFile,
  type Overlay,
  parseDelay,
  removeAbandonedRundir,
  type StopReason,
  type SupervisorOrder,
} from "../../broker/index.js";
import { isErrno, SluiceError } from "../../errors/index.js";
import { createThreadLoader, type ThreadLoader } from "../../loaders/index.js";
import {
  becomeOwner,
  endOfShellStatus,
  inheritedMark,
  partEndText,
  sweep,
  requireWorkingDirectory,
} from "../../processes/index.js";
import { assignment, collect, positiveInteger, wholeNumber } from "../arguments.js";
import { runBelowInit } from "./below-init.js";
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
import { requireFilesOfGroups, withFiles, withGroupOption } from "./files-option.js";
import { type LogOptions, rotationOf, withLogFile } from "./log-options.js";
import { pickedModules, withModules } from "./modules-option.js";
import { withConfig } from "../config-inputs.js";
import { withInsecure } from "../insecure.js";
import { hideOverlay, withOverlay } from "./overlay-options.js";
import { registerBroker } from "./registering.js";
import { ShutdownNote } from "./shutdown-note.js";
import { ExitError, say, sayError } from "../terminal/output.js";
import { startBroker } from "./broker-start.js";
import { Stops } from "./broker-stops.js";
import { extenderFor, notifierFor, takeServiceManager, watchdogFor } from "./service-manager.js";

export function command(): Command {
  const configured = withConfig(new Command("broker"), "-c, --config-path <path>");
  const logged = withOverlay(withLogFile(withInsecure(configured)));
  return withGroupOption(withFiles(withModules(logged), "-f, --file <file>"))
    .addOption(
      new Option("--rank <n>", "rank of this broker, or auto over hosts: a free rank")
        .argParser(rankNumber)
        .default(0),
    )
    .addOption(
      new Option(
        "--size <n>",
        "number of brokers (default: 1; for a rank other than 0, the size of the instance)",
      ).argParser(positiveInteger),
    )
    .option(
      "--rundir <dir>",
      "directory for the sockets, for this user alone (default: a new one; for a rank other than 0, the one of SLUICE_URI)",
    )
    .addOption(new Option("-S, --setattr <name=value>", "set an attribute").argParser(collect(assignment)))
    .option("--standby", "as a second rank 0: wait until the first is lost, then take over")
    .option("--no-rejoin", "if this rank is lost, end it instead of joining again")
    .addOption(new Option("--supervised-program", "the supervisor runs the initial program").hideHelp())
    .addOption(
      new Option("--events-fd <fd>", "where rc1 and rc3 report events").argParser(wholeNumber).hideHelp(),
    )
    .option("-v, --verbose", "show each step")
    .option("-q, --quiet", "show no live view of rc1 on a terminal")
    .addHelpText(
      "after",
      "\nExamples:\n  sluice broker --rundir=/run/site -S statedir=/var/lib/site" +
        "\n  sluice broker --overlay=nats://n1:4222,nats://n2:4222 --instance=site --rank=0 --size=16" +
        "\n  sluice broker --rank=3 --rundir=/run/site    # start a lost rank again",
    )
    .action(runBroker);
}

/** A rank, or `auto`. */
function rankNumber(text: string): number | "auto" {
  return text === "auto" ? text : wholeNumber(text);
}

/** How long the processes of a killed broker may take to end by themselves. A supervisor ends them sooner. */
const ORPHAN_GRACE_SECONDS = 3;

async function runBroker(options: BrokerCommandOptions): Promise<void> {
  requireWorkingDirectory();
  requireFilesOfGroups(options);
  // In a container, a manager sends the stop, which requests an orderly end.
  const isContainer = process.pid === 1;
  if (await runBelowInit({ INVOCATION_ID: process.env["INVOCATION_ID"] ?? "process 1" })) return;
  const isSupervised = process.connected;
  hideOverlay();
  const { notifySocket, isManaged, watchdogMs, socketFd } = takeServiceManager(isContainer);
  becomeOwner({ graceSeconds: ORPHAN_GRACE_SECONDS });
  const stops = new Stops(isSupervised, { isManaged, ...sameSignal(options) });
  const phases = new Phases(options);
  const threads = createThreadLoader();
  try {
    const place = await placeOf(options, isSupervised, stops);
    const overlay = overlayOf(place);
    stops.onStop(() => void overlay?.close());
    const logFile = options.logFile === undefined ? undefined : logFileFor(options.logFile, options, place);
    const reloads: { tell?: (isUnderWay: boolean) => void } = {};
    const onReload = (isUnderWay: boolean): void => reloads.tell?.(isUnderWay);
    const starting = { place, overlay, options, logFile, isSupervised, stops, socketFd, threads, onReload };
    const broker = await startBroker(starting);
    // The thread starts while rc1 is still being planned.
    if (phases.hasOwnStart) threads.prepare(broker.programEnvironment());
    await verifyPicked(broker, options, brokerPrefix(place));
    const registration = isSupervised ? undefined : await registerBroker(broker, options, place);
    const notifier = notifySocket === undefined ? undefined : notifierFor(notifySocket, broker);
    reloads.tell = (isUnderWay) => notifier?.reloading(isUnderWay);
    const watchdog = notifier && watchdogMs && (await watchdogFor(broker, notifier, watchdogMs));
    process.exitCode = await live({ broker, options, phases, threads, stops, notifier, isManaged });
    if (watchdog) watchdog.close();
    registration?.remove();
    logFile?.close();
    await notifier?.close();
    // A supervisor removes the directory that it made, unless the supervisor itself has ended.
    if (isSupervised && !process.connected) {
      await removeAbandonedRundir(broker.rundir);
      if (broker.rank === 0) await sweep(inheritedMark());
    }
  } finally {
    await Promise.all([phases.close(), threads.release()]);
    if (process.connected) process.disconnect();
  }
}

/**
 * Verifies the modules that `--modules` picks, before the instance has a state (docs/design/modules.md §6).
 * @throws ExitError after it has printed every failure and closed the broker
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

/** @throws ExitError after the messages about the problems */
async function placeOf(
  options: BrokerCommandOptions,
  isSupervised: boolean,
  stops: Stops,
): Promise<BrokerPlace> {
  const stopped = new AbortController();
  stops.onStop(() => stopped.abort());
  try {
    const prefix = brokerPrefix({ rank: options.rank, size: options.size ?? Infinity });
    return await brokerPlace(options, stopped.signal, (text) => say(`${prefix}: ${text}`));
  } catch (error) {
    if (stops.status !== undefined && isErrno(error, "ECANCELED")) throw new ExitError(stops.status);
    if (!(error instanceof SluiceError)) throw error;
    if (options.standby === true && isErrno(error, "ECANCELED")) {
      say(`${brokerPrefix({ rank: options.rank, size: options.size ?? Infinity })}: ${error.message}`);
      throw new ExitError(0);
    }
    // All ranks of one start have the same credentials, so one of them may report the refusal for all.
    if (!isSupervised || options.rank === 0 || !isErrno(error, "EACCES")) {
      sayError(error, brokerPrefix({ rank: options.rank, size: options.size ?? Infinity }));
    }
    throw new ExitError(1);
  }
}

interface LifeOptions {
  readonly broker: Broker;
  readonly phases: Phases;
  readonly threads: ThreadLoader;
  readonly options: BrokerCommandOptions;
  readonly stops: Stops;
  readonly notifier: ServiceNotifier | undefined;
  readonly isManaged: boolean;
}

/** @returns the exit status */
async function live({
  broker,
  options,
  phases,
  threads,
  stops,
  notifier,
  isManaged,
}: LifeOptions): Promise<number> {
  const followed = broker.rank === 0 ? undefined : followInstance(broker, await broker.connect());
  const extender = notifier && extenderFor(broker, notifier);
  const tellWaiting = (text: string): void => notifier?.status(`${life.state}: ${text}`);
  const waiting = new ShutdownNote(broker, tellWaiting);
  let panic: string | undefined;
  const life = new InstanceLife({
    ...(followed?.gates ?? leaderGates(broker, tellWaiting)),
    // This reads the attributes only when the phase begins, because they may have changed meanwhile.
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
      waiting.begin();
      report({ type: "stopping", timeoutMs: Number.isFinite(timeoutMs) ? timeoutMs : null });
      return timeoutMs;
    },
    isManaged,
    onState: (state) => {
      broker.log.append("broker", "debug", `state ${state}`);
      if (state === "init") void broker.ensureSocket().then(() => report({ type: "serving" }));
      // A spare thread that rc1 did not use.
      if (state === "quorum" || state === "shutdown") void threads.release();
      if (state === "cleanup" || state === "shutdown") waiting.begin();
      notifier?.state(state);
      extender?.state(state);
      if (state === "cleanup" || state === "shutdown") phases.prepareShutdown(broker);
      report({ type: "state", state });
    },
    onTimeout: (timeoutMs) => {
      // The modules that this kills now fail for this reason alone.
      panic ??= `the shutdown took longer than broker.shutdown-timeout (${timeoutMs / 1000} s); Sluice killed the remaining modules`;
      broker.log.append("broker", "err", panic);
    },
    onFailure: (phase, status) => {
      phases.failed(phase, partEndText(endOfShellStatus(status), "failed"));
      broker.log.append("broker", "err", `${phase} ${partEndText(endOfShellStatus(status), "failed")}`);
      if (phase === "rc1") followed?.rc1Failed();
      else report({ type: "unclean" });
    },
  });
  const stop = (reason: StopReason): void => {
    if (reason.kind === "panic") panic ??= reason.message;
    life.stop(reason);
  };
  phases.onWaiting = tellWaiting;
  phases.onProgress = () => extender?.progress();
  followed?.follow(stop);
  broker.onShutdown((reason) => {
    if (followed === undefined || !broker.roster.present.has(0)) stop(reason);
    else void followed.requestShutdown(reason, stop);
  });
  stops.onRankExit((rank) => broker.rankEnded(rank));
  stops.onStop(stop);
  const status = await life.run();
  waiting.close();
  const closed = await broker.close();
  if (closed.status !== 0) report({ type: "unclean" });
  const cause = panic ?? failureText(phases.failure);
  // An operator wants to read this line last, after all messages of the shutdown.
  if (cause !== undefined) say(`${brokerPrefix(broker)}: ${cause}`);
  return Math.max(status, closed.status);
}

/** The failure of a phase, such as `rc1 failed: kvs: no space left on device`. */
function failureText(failure: PhaseFailure | undefined): string | undefined {
  if (failure === undefined) return undefined;
  const { phase, unit, message } = failure;
  return `${phase} failed: ${unit === undefined ? "" : `${unit}: `}${message}`;
}

/** The overlay of an instance of more than one rank, which has a run directory for all. */
function overlayOf({ rundir, ...place }: BrokerPlace): Overlay | undefined {
  if (place.overlay !== undefined) return place.overlay;
  return place.size === 1 || rundir === undefined ? undefined : localOverlay({ ...place, rundir });
}

/** Opens the log file; SIGUSR2 means that the file may have been moved. */
function logFileFor(path: string, options: LogOptions, place: BrokerPlace): LogFile {
  const file = openLogFile({
    path,
    rank: place.rank,
    rotation: rotationOf(options),
    onError: ({ message }) => say(`${brokerPrefix(place)}: ${message}`),
  });
  process.on("SIGUSR2", () => file.reopen());
  process.on("message", (order: SupervisorOrder) => {
    if (order.type === "reopen-log") file.reopen();
  });
  return file;
}

function sameSignal({ setattr = [] }: BrokerCommandOptions): { readonly sameSignalMs: number | undefined } {
  return { sameSignalMs: parseDelay(new Map(setattr).get("broker.same-signal-within") ?? "") };
}

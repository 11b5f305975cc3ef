import { rmSync } from "node:fs";
import { constants } from "node:os";
import { Command, Option } from "commander";
import {
  Broker,
  type BrokerReport,
  InstanceLife,
  type LogEntry,
  type LogFile,
  openLogFile,
  type PhaseProcess,
  type ProgramProcess,
  ServiceNotifier,
  shutdownTimeoutMs,
  signalProgram,
  spawnPhase,
  type StopSignal,
  type SupervisorOrder,
} from "../broker/index.js";
import { pythonEnvironment } from "../python/index.js";
import { LineSplitter } from "../rc/index.js";
import { assignment, collect, wholeNumber } from "./arguments.js";
import { checkConfig, reloadedConfig, startConfig } from "./broker-config.js";
import { configInputs, type ConfigOptions, withConfig } from "./config-inputs.js";
import { type InsecureOption, withInsecure } from "./insecure.js";
import { say, UsageError } from "./output.js";
import { PACKAGE_ROOT, SHIPPED_MODULES } from "./version.js";

interface BrokerCommandOptions extends ConfigOptions, InsecureOption {
  readonly rank: number;
  readonly size: number;
  readonly rundir?: string;
  readonly setattr?: readonly (readonly [string, string])[];
  readonly logFile?: string;
  readonly supervisedProgram?: boolean;
  readonly verbose?: boolean;
}

const PREFIX = "sluice-broker";

export function command(): Command {
  return withInsecure(withConfig(new Command("broker"), "-c, --config-path <path>"))
    .addOption(new Option("--rank <n>", "rank of this broker").argParser(wholeNumber).default(0))
    .addOption(new Option("--size <n>", "number of brokers").argParser(wholeNumber).default(1))
    .option("--rundir <dir>", "directory for the socket, ours alone (default: a fresh one)")
    .addOption(new Option("-S, --setattr <name=value>", "set an attribute").argParser(collect(assignment)))
    .option("--log-file <file>", "append the log to this file, one JSON object a line")
    .addOption(new Option("--supervised-program", "the initial program is run by the supervisor").hideHelp())
    .option("-v, --verbose", "say what happens")
    .addHelpText("after", "\nExample:\n  sluice broker --rundir=/run/site -S statedir=/var/lib/site")
    .action(runBroker);
}

async function runBroker(options: BrokerCommandOptions): Promise<void> {
  if (options.rank !== 0 || options.size !== 1) {
    throw new UsageError(
      "instances of more than one broker are not there yet: --rank must be 0 and --size 1",
    );
  }
  const isSupervised = process.connected;
  const notifySocket = takeNotifySocket();
  const config = await startConfig(options, PREFIX);
  const logFile = options.logFile === undefined ? undefined : logFileFor(options.logFile, options.rank);
  const broker = await Broker.start({
    attributes: Object.fromEntries(options.setattr ?? []),
    config,
    readConfig: configInputs(options).length === 0 ? undefined : () => reloadedConfig(options),
    checkConfig,
    modulePath: [process.env["FLUX_MODULE_PATH"], SHIPPED_MODULES].filter(Boolean).join(":"),
    rundir: options.rundir,
    onStderr: printLog,
    onLog: (entry) => logFile?.write(entry),
    insecure: options.insecure,
  });
  const notifier = notifySocket === undefined ? undefined : notifierFor(notifySocket, broker);
  const life = new InstanceLife({
    startRc1: phaseStarter(broker, "rc1", options),
    startRc3: phaseStarter(broker, "rc3", options),
    startProgram: options.supervisedProgram ? () => supervisedProgram(broker) : undefined,
    // As it stands when the shutdown begins.
    get shutdownTimeoutMs() {
      return shutdownTimeoutMs(broker.attributes);
    },
    onState: (state) => {
      broker.log.append("broker", "debug", `state ${state}`);
      notifier?.state(state);
    },
    onFailure: (phase, status) => broker.log.append("broker", "err", `${phase} ${endText(status)}`),
  });
  listenForStops(life, broker);
  const status = await life.run();
  const closed = await broker.close();
  logFile?.close();
  await notifier?.close();
  process.exitCode = Math.max(status, closed.status);
  // A supervisor removes the directory that it made, unless it is the one that is gone.
  if (isSupervised && !process.connected) rmSync(broker.rundir, { recursive: true, force: true });
  if (process.connected) process.disconnect();
}

/** What a status says in words, as `phase-process` makes it. */
function endText(status: number): string {
  const signal = Object.entries(constants.signals).find(([, number]) => number === status - 128)?.[0];
  return signal === undefined ? `failed with status ${status}` : `was killed by ${signal}`;
}

function logFileFor(path: string, rank: number): LogFile {
  return openLogFile({ path, rank, onError: ({ message }) => say(`${PREFIX}: ${message}`) });
}

/** Of the service manager that started us, if one did. What we start is none of its business. */
function takeNotifySocket(): string | undefined {
  const socket = process.env["NOTIFY_SOCKET"];
  delete process.env["NOTIFY_SOCKET"];
  return socket || undefined;
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

function listenForStops(life: InstanceLife, broker: Broker): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] satisfies StopSignal[]) {
    process.on(signal, () => life.stop({ kind: "signal", signal }));
  }
  process.on("message", (order: SupervisorOrder) => {
    if (order.type === "stop") life.stop({ kind: "signal", signal: order.signal });
  });
  // Nobody would take us down any more.
  process.on("disconnect", () => {
    if (life.state !== "goodbye") life.stop({ kind: "panic", message: "lost the supervisor" });
  });
  broker.onShutdown((reason) => life.stop(reason));
}

/** rc1 and rc3 are commands of ours unless an attribute says otherwise; an empty one skips the phase (instance.md §3). */
function phaseStarter(
  broker: Broker,
  phase: "rc1" | "rc3",
  options: BrokerCommandOptions,
): ((stopping?: boolean) => PhaseProcess) | undefined {
  const configured = broker.attributes.get(`broker.${phase}_path`);
  if (configured === "") return undefined;
  return (stopping = false) => {
    const own = [process.execPath, `${PACKAGE_ROOT}dist/cli/main.cjs`, "modprobe", phase];
    if (options.verbose) own.push("--verbose");
    if (options.insecure) own.push("--insecure");
    if (phase === "rc3" && stopping) own.push("--cancel-after=1");
    const process_ = spawnPhase({
      argv: configured === undefined ? own : ["bash", "-c", configured],
      env: broker.programEnvironment(),
      stdio: ["ignore", "pipe", "inherit"],
      ownGroup: true,
      onStartError: (error) => say(`sluice-broker: ${phase}: ${error.message}`),
    });
    const stdout = process_.child?.stdout;
    if (stdout) {
      const lines = new LineSplitter((line) => broker.log.append(phase, "info", line));
      stdout.on("data", (chunk: Buffer) => lines.push(chunk)).on("end", () => lines.end());
    }
    return process_;
  };
}

/** The initial program runs on the supervisor's standard input and output; we only say when, and hear how it ended. */
function supervisedProgram(broker: Broker): PhaseProcess {
  const report = (message: BrokerReport): void => {
    if (process.connected) process.send?.(message);
  };
  let program: ProgramProcess | undefined;
  const exited = new Promise<number>((resolve) => {
    process.on("message", (order: SupervisorOrder) => {
      if (order.type === "program-started") program = order;
      if (order.type === "program-exit") resolve(order.status);
    });
    process.on("disconnect", () => {
      // Nobody else would end it now.
      if (program !== undefined) signalProgram(program, "SIGKILL");
      resolve(1);
    });
  });
  report({ type: "program-start", env: broker.programEnvironment() });
  return {
    exited,
    signal: (signal) => report({ type: "program-signal", signal }),
    kill: () => report({ type: "program-kill" }),
  };
}

function printLog({ name, level, text }: LogEntry): void {
  say(`${name}.${level}: ${text}`);
}

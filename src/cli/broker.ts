import { rmSync } from "node:fs";
import { constants } from "node:os";
import { Command, Option } from "commander";
import {
  Broker,
  type BrokerReport,
  InstanceLife,
  type JsonObject,
  type LogEntry,
  type PhaseProcess,
  type ProgramProcess,
  signalProgram,
  spawnPhase,
  type StopSignal,
  type SupervisorOrder,
} from "../broker/index.js";
import { LineSplitter } from "../rc/index.js";
import { checkConfiguration, configFromJson, Configuration } from "../units/index.js";
import { assignment, collect, wholeNumber } from "./arguments.js";
import { configurationOf } from "./facts.js";
import { ExitError, say, sayDiagnostics, UsageError } from "./output.js";
import { PACKAGE_ROOT, SHIPPED_MODULES } from "./version.js";

interface BrokerCommandOptions {
  readonly rank: number;
  readonly size: number;
  readonly rundir?: string;
  readonly setattr?: readonly (readonly [string, string])[];
  readonly configPath?: readonly string[];
  readonly conf?: readonly string[];
  readonly supervisedProgram?: boolean;
  readonly verbose?: boolean;
}

const PREFIX = "sluice-broker";

/** How long an orderly shutdown may take before what is left is killed (instance.md §1). */
const SHUTDOWN_TIMEOUT_MS = 30_000;

export function command(): Command {
  return new Command("broker")
    .addOption(new Option("--rank <n>", "rank of this broker").argParser(wholeNumber).default(0))
    .addOption(new Option("--size <n>", "number of brokers").argParser(wholeNumber).default(1))
    .option("--rundir <dir>", "directory for the socket, ours alone (default: a fresh one)")
    .addOption(new Option("-S, --setattr <name=value>", "set an attribute").argParser(collect(assignment)))
    .addOption(
      new Option("-c, --config-path <path>", "configuration file or directory").argParser(collect(String)),
    )
    .addOption(
      new Option("--conf <key=value|file>", "configuration value or file").argParser(collect(String)),
    )
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
  const readConfig = async () => {
    const { configPath: config = [], conf = [] } = options;
    const read = await configurationOf({ config, conf }, PREFIX);
    const checked = checkConfiguration(read);
    if (checked.ok) return read.table;
    sayDiagnostics(checked.diagnostics, PREFIX);
    throw new ExitError(1);
  };
  const broker = await Broker.start({
    attributes: Object.fromEntries(options.setattr ?? []),
    config: await readConfig(),
    readConfig,
    checkConfig,
    modulePath: [process.env["FLUX_MODULE_PATH"], SHIPPED_MODULES].filter(Boolean).join(":"),
    rundir: options.rundir,
    onStderr: printLog,
  });
  const life = new InstanceLife({
    startRc1: phaseStarter(broker, "rc1", options),
    startRc3: phaseStarter(broker, "rc3", options),
    startProgram: options.supervisedProgram ? () => supervisedProgram(broker) : undefined,
    shutdownTimeoutMs: SHUTDOWN_TIMEOUT_MS,
    onState: (state) => broker.log.append("broker", "debug", `state ${state}`),
    onFailure: (phase, status) => broker.log.append("broker", "err", `${phase} ${endText(status)}`),
  });
  listenForStops(life, broker);
  const status = await life.run();
  const closed = await broker.close();
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

/** What is wrong with a configuration, in one line. */
function checkConfig(config: JsonObject): string | undefined {
  const checked = checkConfiguration(Configuration.of(configFromJson(config), "new configuration"));
  return checked.ok ? undefined : checked.diagnostics.map(({ message }) => message).join("; ");
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

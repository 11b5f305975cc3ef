import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { Command, Option } from "commander";
import { freshRunDirectory, parseDelay, type StopSignal, Supervisor } from "../../broker/index.js";
import { configFlags, type ConfigOptions, withConfig } from "../config-inputs.js";
import { type InsecureOption, withInsecure } from "../insecure.js";
import { assignment, collect, positiveInteger } from "../arguments.js";
import { becomeOwner, NODE_COMMAND, sweep, sweepOrphans } from "../../processes/index.js";
import {
  hideOverlay,
  overlayFlags,
  type OverlayOptions,
  overlayPlace,
  overlayVariable,
  withOverlay,
} from "./overlay-options.js";
import { UsageError, say } from "../terminal/output.js";
import { withOwnCommand } from "./command-path.js";
import { type ModulesOption, withModules } from "./modules-option.js";
import { runBelowInit } from "./below-init.js";
import { EVENTS_FD, openStartView } from "./start-view.js";
import { PACKAGE_ROOT } from "../version.js";

interface StartOptions extends ConfigOptions, InsecureOption, ModulesOption, OverlayOptions {
  readonly size: number;
  readonly setattr?: readonly (readonly [string, string])[];
  readonly logFile?: string;
  readonly verbose?: boolean;
  readonly quiet?: boolean;
}

/** Each is a process, and has a connection to rank 0: more do not run on one machine. */
const MAX_RANKS = 10_000;

/** Of the attribute `broker.shutdown-timeout`. */
const SHUTDOWN_TIMEOUT_MS = 30_000;

export function command(): Command {
  return withModules(withOverlay(withInsecure(withConfig(new Command("start"), "-c, --config-path <path>"))))
    .argument(
      "[command...]",
      "initial program; a single word with blanks is a shell line (default: a shell on a terminal)",
    )
    .passThroughOptions()
    .addOption(new Option("-s, --size <n>", "number of brokers").argParser(positiveInteger).default(1))
    .addOption(new Option("-S, --setattr <name=value>", "set an attribute").argParser(collect(assignment)))
    .option("--log-file <file>", "append the log to this file, one JSON object a line")
    .option("-v, --verbose", "say what happens")
    .addOption(new Option("-q, --quiet", "no live view of rc1 on a terminal").conflicts("verbose"))
    .addHelpText(
      "after",
      "\nExamples:\n  sluice start -S statedir=/var/lib/site sluice module list" +
        "\n  sluice start -s 4 --overlay=nats://localhost:4222 sluice overlay status",
    )
    .action(start);
}

async function start(program: readonly string[], options: StartOptions): Promise<void> {
  if (await runBelowInit()) return;
  if (program[0] === "") throw new UsageError("the command is empty");
  if (options.size > MAX_RANKS) throw new UsageError(`-s ${options.size}: at most ${MAX_RANKS} ranks`);
  overlayPlace(options);
  hideOverlay();
  const onStopSignal = takeStopSignals();
  const onTerminal = process.stdin.isTTY;
  const programArgv = initialProgram(program, onTerminal);
  // The brokers see to what they start, and end by themselves if this process is killed.
  const mark = becomeOwner({ graceSeconds: undefined });
  const view = options.quiet ? undefined : await openStartView();
  const attributes = new Map(options.setattr ?? []);
  const rundir = freshRunDirectory(process.env);
  const supervisor = new Supervisor({
    brokerArgvs: brokerArgvs(rundir, programArgv !== undefined, view !== undefined, options),
    rundir,
    shutdownTimeoutMs: parseDelay(attributes.get("broker.shutdown-timeout") ?? "") ?? SHUTDOWN_TIMEOUT_MS,
    sameSignalMs: parseDelay(attributes.get("broker.same-signal-within") ?? ""),
    programArgv,
    env: { ...withOwnCommand(process.env, process.argv[1]), ...overlayVariable(options) },
    onTerminal,
    say: (text) => (view ?? { say }).say(`sluice-start: ${text}`),
    view,
  });
  // Node's own answer to the first of these is to wait for a debugger.
  for (const signal of ["SIGUSR1", "SIGUSR2"] as const) process.on(signal, () => supervisor.forward(signal));
  try {
    await sweepOrphans(isBroker);
    const ended = supervisor.run();
    onStopSignal((signal) => supervisor.stop(signal));
    process.exitCode = await ended;
  } finally {
    await view?.close();
    await sweep(mark);
    rmSync(rundir, { recursive: true, force: true });
  }
}

/**
 * Takes the signals that stop an instance, before there is anything to take away.
 * @returns registers what acts on them, and passes on those that came before
 */
function takeStopSignals(): (act: (signal: StopSignal) => void) => void {
  const early: StopSignal[] = [];
  let take = (signal: StopSignal): unknown => early.push(signal);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] satisfies StopSignal[]) {
    process.on(signal, () => take(signal));
  }
  return (act) => {
    take = act;
    early.forEach(act);
  };
}

/** A broker that has lost its supervisor goes down in order, and takes along what it has started. */
function isBroker(words: readonly string[]): boolean {
  const at = words.findIndex((word) => word.endsWith("/dist/cli/main.cjs"));
  return at >= 0 && words[at + 1] === "broker";
}

/**
 * A single word with blanks is a shell line; without any, a shell if somebody sits there (docs/design/instance.md §1).
 */
function initialProgram(words: readonly string[], onTerminal: boolean): readonly string[] | undefined {
  const [first, ...rest] = words;
  if (first === undefined) return onTerminal ? [process.env["SHELL"] ?? "/bin/sh"] : undefined;
  return rest.length === 0 && /\s/.test(first) ? ["bash", "-c", first] : words;
}

/** The same for all ranks but for the rank, and that rank 0 has the initial program and tells how rc1 goes. */
function brokerArgvs(
  rundir: string,
  hasProgram: boolean,
  hasView: boolean,
  options: StartOptions,
): string[][] {
  const { size, setattr = [] } = options;
  const hasId = setattr.some(([name]) => name === "instance-id");
  const id = randomBytes(8).toString("hex");
  const shared = [
    `--size=${size}`,
    `--rundir=${rundir}`,
    ...(hasId || options.overlay ? [] : [`--setattr=instance-id=${id}`]),
    ...(options.verbose ? ["--verbose"] : []),
    ...setattr.map(([name, value]) => `--setattr=${name}=${value}`),
    ...(options.insecure ? ["--insecure"] : []),
    ...(options.modules === undefined ? [] : [`--modules=${options.modules}`]),
    ...(options.logFile === undefined ? [] : [`--log-file=${options.logFile}`]),
    ...configFlags(options),
  ];
  return Array.from({ length: size }, (_, rank) => [
    ...NODE_COMMAND,
    `${PACKAGE_ROOT}dist/cli/main.cjs`,
    "broker",
    `--rank=${rank}`,
    ...overlayFlags(options, options.instance ?? id, rank),
    ...shared,
    ...(rank === 0 && hasProgram ? ["--supervised-program"] : []),
    // Either we show what happens, or nobody does.
    ...(rank === 0 && hasView ? [`--events-fd=${EVENTS_FD}`] : ["--quiet"]),
  ]);
}

import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { basename } from "node:path";
import { Command, Option } from "commander";
import {
  awaitRemains,
  claimStack,
  freshRunDirectory,
  parseDelay,
  type Registration,
  stackName,
  type StopSignal,
  Supervisor,
} from "../../broker/index.js";
import { configFlags, type ConfigOptions, withConfig } from "../config-inputs.js";
import { type InsecureOption, withInsecure } from "../insecure.js";
import { assignment, collect, positiveInteger } from "../arguments.js";
import {
  becomeOwner,
  NODE_COMMAND,
  requireWorkingDirectory,
  sweep,
  clearLostCgroups,
  sweepOrphans,
} from "../../processes/index.js";
import {
  hideOverlay,
  overlayFlags,
  type OverlayOptions,
  overlayPlace,
  overlayVariable,
  withOverlay,
} from "./overlay-options.js";
import { printStyled, say as sayPlain, UsageError } from "../terminal/output.js";
import { type ShuffleOption, withShuffle } from "./shuffle-option.js";
import { SHUFFLE_ATTRIBUTE, shuffleText } from "../../instance/read-shuffle.js";
import { withOwnCommand } from "./command-path.js";
import { registerStart } from "./registering.js";
import { logFlags, type LogOptions, rotationOf, withLogFile } from "./log-options.js";
import { type ModulesOption, withModules } from "./modules-option.js";
import { runBelowInit } from "./below-init.js";
import { type Detached, DetachedView, startDetached } from "./detach.js";
import {
  type FilesOption,
  realFiles,
  requireFilesOfGroups,
  withFiles,
  withGroupOption,
} from "./files-option.js";
import { StackLog } from "./stack-log.js";
import { EVENTS_FD, openStartView, StartView } from "./start-view.js";
import { PACKAGE_ROOT } from "../version.js";

interface StartOptions
  extends
    ConfigOptions,
    FilesOption,
    InsecureOption,
    ModulesOption,
    LogOptions,
    OverlayOptions,
    ShuffleOption {
  readonly size: number;
  readonly setattr?: readonly (readonly [string, string])[];
  readonly verbose?: boolean;
  readonly quiet?: boolean;
  readonly detach?: boolean;
  /** Whether this is the process in the background. */
  readonly detached?: Detached;
}

/** Each rank is a process, and has a connection to rank 0. One machine cannot run more. */
const MAX_RANKS = 10_000;

/** Default of the attribute `broker.shutdown-timeout`. */
const SHUTDOWN_TIMEOUT_MS = 30_000;

export function command(): Command {
  const configured = withConfig(new Command("start"), "-c, --config-path <path>");
  const logged = withOverlay(withLogFile(withInsecure(configured)));
  return withShuffle(withGroupOption(withFiles(withModules(logged), "-f, --file <file>")))
    .argument(
      "[command...]",
      "initial program; a single word with blanks is a shell line (default: a shell on a terminal)",
    )
    .passThroughOptions()
    .addOption(new Option("-s, --size <n>", "number of brokers").argParser(positiveInteger).default(1))
    .addOption(new Option("-S, --setattr <name=value>", "set an attribute").argParser(collect(assignment)))
    .option("-v, --verbose", "show each step")
    .addOption(new Option("-q, --quiet", "show no live view of rc1 on a terminal").conflicts("verbose"))
    .option("--detach", "return once all modules are ready; 'sluice stop' ends the instance")
    .addOption(new Option("--detached <how>", "marks the process in the background").hideHelp())
    .addHelpText(
      "after",
      "\nExamples:\n  sluice start -f stack.toml\n  sluice start -S statedir=/var/lib/site sluice module list" +
        "\n  sluice start -s 4 --overlay=nats://localhost:4222 sluice overlay status",
    )
    .action(start);
}

async function start(program: readonly string[], options: StartOptions): Promise<void> {
  requireWorkingDirectory();
  if (await runBelowInit()) return;
  refuseUsage(program, options);
  overlayPlace(options);
  hideOverlay();
  const files = realFiles(options);
  if (options.detach === true) {
    await startDetached(options.quiet === true);
    return;
  }
  const stops = new EarlyStops();
  // The brokers look after their own processes, and end by themselves if this process is killed.
  const mark = becomeOwner({ graceSeconds: undefined });
  const view = await openView(options, stops);
  const say = (text: string): void => (view ?? { say: sayPlain }).say(`sluice-start: ${text}`);
  if (options.shuffle !== undefined) say(shuffleText(options.shuffle));
  const rundir = freshRunDirectory(process.env);
  const id = new Map(options.setattr).get("instance-id") ?? randomBytes(8).toString("hex");
  const name = options.instance ?? (files[0] === undefined ? id : stackName(files[0]));
  const place: Place = { id, name, rundir, files };
  let registration: Registration | undefined;
  try {
    registration = await claim(place, options, { view, say });
    if (registration === undefined) return;
    await Promise.all([sweepOrphans(isBroker), clearLostCgroups()]);
    if (files[0] !== undefined) await awaitRemains(files[0], process.env, (left) => say(remainsText(left)));
    process.exitCode = await run(place, { program, options, view, say, stops });
  } finally {
    await view?.close();
    await sweep(mark);
    registration?.remove();
    rmSync(rundir, { recursive: true, force: true });
  }
}

/** The command to start, and its place. */
interface Place {
  readonly id: string;
  readonly name: string;
  readonly rundir: string;
  /** Their real paths; none for shipped and site units. */
  readonly files: readonly string[];
}

/** The two printers of a start. */
interface Talk {
  readonly view: StartView | DetachedView | undefined;
  readonly say: (text: string) => void;
}

function refuseUsage(program: readonly string[], options: StartOptions): void {
  rotationOf(options);
  requireFilesOfGroups(options);
  if (program[0] === "") throw new UsageError("the command is empty");
  if (options.size > MAX_RANKS) throw new UsageError(`-s ${options.size}: at most ${MAX_RANKS} ranks`);
  if (options.detach === true && program.length > 0) {
    throw new UsageError(
      "--detach starts no command: an instance in the background runs until 'sluice stop'",
    );
  }
}

async function openView(options: StartOptions, stops: EarlyStops): Promise<Talk["view"]> {
  if (options.detached !== undefined) return new DetachedView((signal) => stops.take(signal));
  return options.quiet ? undefined : openStartView();
}

/** @returns undefined if a stack of the same file runs, after the message about it */
async function claim(
  place: Place,
  options: StartOptions,
  { view, say }: Talk,
): Promise<Registration | undefined> {
  const { files, ...known } = place;
  const register = (): Registration => registerStart({ ...known, files, size: options.size });
  if (files[0] === undefined) return register();
  const claimed = await claimStack(files[0], process.env, register);
  if (claimed.kind === "claimed") return claimed.registration;
  const { name, pid } = claimed.instance;
  say(`${files[0]} runs already: instance ${name} (pid ${pid}); nothing changes`);
  // The requested instance in the background runs.
  if (view instanceof DetachedView) view.ready(claimed.instance);
  else process.exitCode = 1;
  return undefined;
}

function remainsText(left: readonly { readonly pid: number; readonly name: string }[]): string {
  const names = left.map(({ pid, name }) => `${name} (pid ${pid})`).join(", ");
  return `waiting for processes of a killed instance of this file: ${names}`;
}

interface Running extends Talk {
  readonly program: readonly string[];
  readonly options: StartOptions;
  readonly stops: EarlyStops;
}

/** @returns the exit status */
async function run(place: Place, { program, options, view, say, stops }: Running): Promise<number> {
  const onTerminal = process.stdin.isTTY;
  const isStack = place.files.length > 0;
  const programArgv =
    options.detached !== undefined ? undefined : initialProgram(program, onTerminal && !isStack);
  const isShell = program.length === 0 && programArgv !== undefined;
  const uri = `local://${place.rundir}/local-0`;
  const hasLog = isStack && programArgv === undefined && options.detached === undefined;
  const log = hasLog
    ? new StackLog({ uri, print: printer(view), onReaderGone: () => supervisor.stop("SIGTERM") })
    : undefined;
  const attributes = new Map(options.setattr);
  const supervisor = new Supervisor({
    brokerArgvs: brokerArgvs(
      place,
      programArgv !== undefined,
      view !== undefined && options.detached !== "unseen",
      options,
    ),
    rundir: place.rundir,
    shutdownTimeoutMs: parseDelay(attributes.get("broker.shutdown-timeout") ?? "") ?? SHUTDOWN_TIMEOUT_MS,
    sameSignalMs: parseDelay(attributes.get("broker.same-signal-within") ?? ""),
    programArgv,
    env: { ...withOwnCommand(process.env, process.argv[1]), ...overlayVariable(options) },
    onTerminal,
    say,
    view,
    welcome: isShell && !options.quiet ? welcome(programArgv[0], place, options.size) : undefined,
    onReport: (report) => {
      if (report.type === "serving") log?.serving();
      if (report.type !== "state" || report.state !== "run") return;
      log?.running();
      if (view instanceof DetachedView) view.ready({ uri, name: place.name, pid: process.pid });
    },
  });
  // Node's own action for the first of these is to wait for a debugger.
  for (const signal of ["SIGUSR1", "SIGUSR2"] as const) process.on(signal, () => supervisor.forward(signal));
  if (options.logFile !== undefined) process.on("SIGUSR2", () => supervisor.reopenLogs());
  const ended = supervisor.run();
  stops.passOn((signal) => supervisor.stop(signal));
  const status = await ended;
  await log?.end();
  return status;
}

/**
 * The line about the shell on a terminal, and the way to leave it. Each shell has its own prompt, and all
 * have `exit`.
 */
function welcome(shell = "", { name }: Place, size: number): string {
  const of = size === 1 ? "" : ` of ${size} ranks`;
  return `this is ${basename(shell)} in instance ${name}${of}; 'exit' or Ctrl-D ends the shell and the instance`;
}

/** Writes a line of the log. A live view on the same terminal makes room for it. */
function printer(view: Talk["view"]): (text: string) => void {
  return view instanceof StartView ? (text) => view.print(text) : printStyled;
}

/** Takes the signals that stop an instance, before there is anything to clean up. */
class EarlyStops {
  readonly #early: StopSignal[] = [];
  #take: (signal: StopSignal) => unknown = (signal) => this.#early.push(signal);

  constructor() {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] satisfies StopSignal[]) {
      process.on(signal, () => this.take(signal));
    }
  }

  take(signal: StopSignal): void {
    this.#take(signal);
  }

  /** From now on this acts on the signals, beginning with the earlier ones. */
  passOn(act: (signal: StopSignal) => void): void {
    this.#take = act;
    this.#early.forEach(act);
  }
}

/** A broker without its supervisor shuts down cleanly, and ends all processes that it has started. */
function isBroker(words: readonly string[]): boolean {
  const at = words.findIndex((word) => word.endsWith("/dist/cli/main.cjs"));
  return at >= 0 && words[at + 1] === "broker";
}

/**
 * A single word with blanks is a shell line. Without any, a shell if there is a terminal
 * (docs/design/instance.md §1).
 */
function initialProgram(words: readonly string[], onTerminal: boolean): readonly string[] | undefined {
  const [first, ...rest] = words;
  if (first === undefined) return onTerminal ? [process.env["SHELL"] ?? "/bin/sh"] : undefined;
  return rest.length === 0 && /\s/.test(first) ? ["bash", "-c", first] : words;
}

/**
 * All ranks have the same command line except for the number. Only rank 0 has the initial program and reports the
 * progress of rc1.
 */
function brokerArgvs(
  { id, rundir, files }: Place,
  hasProgram: boolean,
  hasView: boolean,
  options: StartOptions,
): string[][] {
  const { size, setattr = [], group = [] } = options;
  const hasId = setattr.some(([name]) => name === "instance-id");
  const shared = [
    `--size=${size}`,
    `--rundir=${rundir}`,
    ...(hasId || options.overlay ? [] : [`--setattr=instance-id=${id}`]),
    ...(options.verbose ? ["--verbose"] : []),
    ...setattr.map(([name, value]) => `--setattr=${name}=${value}`),
    ...(options.shuffle ? [`--setattr=${SHUFFLE_ATTRIBUTE}=${options.shuffle.text}`] : []),
    ...(options.insecure ? ["--insecure"] : []),
    ...files.map((file) => `--file=${file}`),
    ...group.map((name) => `--group=${name}`),
    ...(options.modules === undefined ? [] : [`--modules=${options.modules}`]),
    ...logFlags(options),
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
    // Only this process shows progress.
    ...(rank === 0 && hasView ? [`--events-fd=${EVENTS_FD}`] : ["--quiet"]),
  ]);
}

import { type Command, Option } from "commander";
import type { Plan } from "../../graph/index.js";
import { withPlannedServices } from "../../instance/planned-services.js";
import { shuffleOf, shuffleText } from "../../instance/read-shuffle.js";
import { RunReporter } from "../../instance/run-reporter.js";
import { recordOrder } from "../../instance/record-order.js";
import { type RcSession, InstanceStepExecutor } from "../../rc/index.js";
import { collect as collectEvents, type RunEvent, type RunReport, runPlan } from "../../run/index.js";
import { SignalWindow } from "../../processes/index.js";
import { positiveInteger, seconds, wholeNumber } from "../arguments.js";
import type { PlanningContext } from "../facts.js";
import type { PhaseLink } from "../instance/phase-link.js";
import type { HostedRun } from "./phases/phase-hosting.js";
import { PREFIX } from "./units.js";
import { WAITING_PERIODS, WaitingNotes } from "./phases/waiting-notes.js";
import { type ShuffleOption, withShuffle } from "../instance/shuffle-option.js";
import { openRunView, type RunView, type ViewOptions } from "./view.js";
import { ExitError } from "../terminal/output.js";
import { finishWithoutReader } from "../terminal/output-stream.js";
import { messagesOf } from "./runs/run-messages.js";
import { RunRecording } from "./runs/run-recording.js";

/** How a plan is to be carried out. */
export interface CarryOutOptions extends ViewOptions, ShuffleOption {
  readonly jobs?: number;
  readonly keepGoing?: boolean;
  /** Seconds after which a module that is being removed is cancelled. */
  readonly cancelAfter?: number;
  readonly insecure?: boolean;
  /** The broker that has requested the run, if one did. */
  readonly host?: HostedRun;
}

/** Adds `--jobs`, `--shuffle`, `--keep-going`, and the options for reports of the run. */
export function withJobs(command: Command): Command {
  return withShuffle(command)
    .addOption(
      new Option(
        "-j, --jobs <n>",
        "number of units that run at a time (default: cores + 4, at most 32)",
      ).argParser(positiveInteger),
    )
    .option("--keep-going", "after a failure, continue with units that do not depend on the failed unit")
    .addOption(
      new Option(
        "--cancel-after <seconds>",
        "cancel a module if its removal takes longer than this",
      ).argParser(seconds),
    )
    .addOption(new Option("-q, --quiet", "print failures only").conflicts("verbose"))
    .addOption(
      new Option("--json", "print each event as a JSON object on a line").conflicts(["dryRun", "showDeps"]),
    )
    .addOption(
      new Option("--events-fd <fd>", "report events to the process that shows them")
        .argParser(wholeNumber)
        .hideHelp(),
    );
}

/** A run that is carried out. */
interface Run {
  /** `rc1`, `rc3`, `run`, `load` or `remove`. */
  readonly command: string;
  readonly context: Pick<PlanningContext, "facts" | "handle" | "loaded" | "fluxUri">;
  readonly view: RunView;
  readonly session?: RcSession;
  /** Digests of the libraries that were verified, by unit. */
  readonly digests?: Readonly<Record<string, string>> | undefined;
}

/** The commands whose runs are recorded. */
const RECORDED: ReadonlySet<string> = new Set(["rc1", "rc3", "run", "load"]);

/** Runs the function with the view that options request, and leaves the terminal as it was. */
export async function withRunView<T>(
  command: string,
  options: ViewOptions,
  run: (view: RunView) => Promise<T>,
): Promise<T> {
  const view = await openRunView(command, options);
  try {
    return await run(view);
  } finally {
    view.close();
  }
}

/**
 * Carries out a plan, shows its progress to people, and records the run. After the first SIGINT or SIGTERM
 * nothing more starts. The second cancels the running steps (docs/design/planning.md §7).
 * @param onReport gets the report however the run ended
 * @throws ExitError with status 1 if it failed, 130 or 143 if it was interrupted; it has printed all messages before
 */
export async function carryOut(
  plan: Plan,
  { command, context, view, session, digests }: Run,
  options: CarryOutOptions,
  onReport: (report: RunReport) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const { host } = options;
  if (plan.steps.some(({ action }) => action !== "run")) refuseWithoutInstance(context);
  finishWithoutReader();
  // Only a broker of Sluice removes modules by its own record, and announces planned services to modules.
  const broker = context.fluxUri === undefined ? context.handle : undefined;
  const interrupts = host === undefined ? new SignalInterrupts() : new HostInterrupts(host.link);
  const notes = new WaitingNotes(host?.periods ?? WAITING_PERIODS, (text) => {
    if (view.isQuiet !== true || host !== undefined) view.say(`${PREFIX}: ${text}`);
    host?.link.tell({ type: "waiting", text });
  });
  // An empty run needs no record, and would hide the previous one.
  const isRecorded = RECORDED.has(command) && plan.steps.length > 0;
  const recording = isRecorded ? RunRecording.open(command, context) : undefined;
  const reporter = RunReporter.open(plan, context.handle, command);
  const shuffle = options.shuffle ?? (command === "rc1" ? shuffleOf(context.facts.attrs) : undefined);
  // The start of an instance prints its own orders.
  if (options.shuffle !== undefined) view.say(`${PREFIX}: ${shuffleText(options.shuffle)}`);
  try {
    const executor = new InstanceStepExecutor({
      handle: context.handle,
      session,
      onOutput: (line) => view.output(line),
      insecure: options.insecure,
      isStart: command === "rc1",
      plan: await recordOrder(plan, broker, context.loaded),
      digests,
      cancelRemovalAfterMs: host?.cancelAfterMs ?? (options.cancelAfter && options.cancelAfter * 1000),
    });
    if (host !== undefined) host.link.onHurry = (cancelAfterMs) => executor.hurry(cancelAfterMs);
    const events = runPlan(plan, {
      executor,
      jobs: options.jobs,
      shuffle,
      keepGoing: options.keepGoing,
      signal: interrupts.first,
      cancelSignal: interrupts.second,
      durationsMs: recording?.durationsMs,
    });
    const onEvent = (event: RunEvent): void => {
      view.show(event);
      reporter?.show(event);
      const waitedFor = notes.running;
      notes.show(event);
      if (host !== undefined) tellFailure(host.link, event, waitedFor);
    };
    const report = await withPlannedServices(plan, broker, () => collectEvents(events, onEvent));
    const isKept = recording?.save(plan, report, await messagesOf(plan, broker)) === true;
    await reporter?.close(isKept);
    await onReport(report);
    if (report.outcome === "interrupted") {
      throw new ExitError(host?.link.expired === undefined ? interrupts.status : 1);
    }
    if (report.outcome === "failed") throw new ExitError(1);
  } finally {
    notes.close();
    interrupts.stop();
  }
}

/** @throws ExitError if there is no instance that could load or remove modules */
export function refuseWithoutInstance(
  { handle }: Pick<PlanningContext, "handle">,
  purpose = "load modules into",
): void {
  if (handle !== undefined) return;
  const remedy = "run the command under 'sluice start', or give --uri";
  throw new ExitError(1, `no instance to ${purpose}: SLUICE_URI is not set; ${remedy}`);
}

/** Reports the steps and the first failure to the broker; after a time-out, also the units that the run was waiting for. */
function tellFailure(link: PhaseLink, event: RunEvent, waitedFor: readonly string[]): void {
  switch (event.type) {
    case "fail":
    case "timeout":
      if (event.optional !== true) link.tell({ type: "failed", unit: event.unit, message: event.message });
      return;
    case "end":
      link.tell({ type: "progress" });
      return;
    case "interrupt":
      if (link.expired !== undefined)
        link.tell({ type: "failed", unit: waitedFor.join(", "), message: link.expired });
      return;
    default:
  }
}

/** The two stages of an interruption. */
interface Interrupts {
  /** Aborted when nothing more is to be started. */
  readonly first: AbortSignal;
  /** Aborted when the running steps are to be cancelled. */
  readonly second: AbortSignal;
  /** The exit status after an interruption. */
  readonly status: number;
  stop(): void;
}

/** The interrupts of a run for a broker, which reports them itself. */
class HostInterrupts implements Interrupts {
  readonly #link: PhaseLink;
  readonly first: AbortSignal;
  readonly second: AbortSignal;

  constructor(link: PhaseLink) {
    this.#link = link;
    this.first = link.stop.signal;
    this.second = link.cancel.signal;
  }

  get status(): number {
    return this.#link.status;
  }

  stop(): void {
    // The channel stays open until the process ends.
  }
}

/**
 * Turns the process's signals into the two stages of an interruption. A signal that comes twice at once counts as
 * one.
 */
class SignalInterrupts implements Interrupts {
  readonly #first = new AbortController();
  readonly #second = new AbortController();
  readonly first = this.#first.signal;
  readonly second = this.#second.signal;
  readonly #window = new SignalWindow();
  status = 130;
  readonly #onInterrupt = (): void => this.#take(130);
  readonly #onTerminate = (): void => this.#take(143);

  constructor() {
    process.on("SIGINT", this.#onInterrupt);
    process.on("SIGTERM", this.#onTerminate);
  }

  stop(): void {
    process.off("SIGINT", this.#onInterrupt);
    process.off("SIGTERM", this.#onTerminate);
  }

  #take(status: number): void {
    if (!this.#window.isNew()) return;
    if (this.first.aborted) {
      this.#second.abort();
      return;
    }
    this.status = status;
    this.#first.abort();
  }
}

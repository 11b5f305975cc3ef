import { type Command, Option } from "commander";
import type { Plan } from "../../graph/index.js";
import { type RcSession, InstanceStepExecutor } from "../../rc/index.js";
import { collect as collectEvents, type RunReport, runPlan } from "../../run/index.js";
import { positiveInteger, seconds, wholeNumber } from "../arguments.js";
import type { PlanningContext } from "../facts.js";
import { openRunView, type RunView, type ViewOptions } from "./view.js";
import { ExitError } from "../terminal/output.js";
import { finishWithoutReader } from "../terminal/output-stream.js";
import { withPlannedServices } from "./planned-services.js";
import { RunRecording } from "./run-recording.js";

/** How a plan is to be carried out. */
export interface CarryOutOptions extends ViewOptions {
  readonly jobs?: number;
  readonly keepGoing?: boolean;
  /** Seconds after which a module that is being removed is cancelled. */
  readonly cancelAfter?: number;
  readonly insecure?: boolean;
}

/** Adds `--jobs`, `--keep-going`, and how to tell of the run. */
export function withJobs(command: Command): Command {
  return command
    .addOption(
      new Option("-j, --jobs <n>", "units at a time (default: cores + 4, at most 32)").argParser(
        positiveInteger,
      ),
    )
    .option("--keep-going", "after a failure go on with what does not depend on it")
    .addOption(
      new Option("--cancel-after <seconds>", "cancel a module that is not gone by then").argParser(seconds),
    )
    .addOption(new Option("-q, --quiet", "say nothing but failures").conflicts("verbose"))
    .addOption(
      new Option("--json", "print each event as a JSON object on a line").conflicts(["dryRun", "showDeps"]),
    )
    .addOption(
      new Option("--events-fd <fd>", "report events to whoever shows them").argParser(wholeNumber).hideHelp(),
    );
}

/** A run that is carried out. */
interface Run {
  /** `rc1`, `rc3`, `run`, `load` or `remove`. */
  readonly command: string;
  readonly context: Pick<PlanningContext, "facts" | "handle">;
  readonly view: RunView;
  readonly session?: RcSession;
}

/** The commands whose runs are recorded. */
const RECORDED: ReadonlySet<string> = new Set(["rc1", "rc3", "run", "load"]);

/** Runs the function with the view that options ask for, and leaves the terminal as it was. */
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
 * Carries out a plan, telling people how it goes, and records the run. The first SIGINT or SIGTERM starts nothing more,
 * the second cancels what runs (docs/design/planning.md §7).
 * @param onReport gets the report however the run ended
 * @throws ExitError with status 1 if it failed, 130 or 143 if it was interrupted; everything is said by then
 */
export async function carryOut(
  plan: Plan,
  { command, context, view, session }: Run,
  options: CarryOutOptions,
  onReport: (report: RunReport) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  finishWithoutReader();
  const interrupts = new Interrupts();
  // A run of nothing has nothing to tell, and would hide the one before it.
  const isRecorded = RECORDED.has(command) && plan.steps.length > 0;
  const recording = isRecorded ? RunRecording.open(command, context) : undefined;
  try {
    const executor = new InstanceStepExecutor({
      handle: context.handle,
      session,
      onOutput: (line) => view.output(line),
      insecure: options.insecure,
      ...(options.cancelAfter !== undefined && { cancelRemovalAfterMs: options.cancelAfter * 1000 }),
    });
    const events = runPlan(plan, {
      executor,
      jobs: options.jobs,
      keepGoing: options.keepGoing,
      signal: interrupts.first.signal,
      cancelSignal: interrupts.second.signal,
      durationsMs: recording?.durationsMs,
    });
    const report = await withPlannedServices(plan, context.handle, () =>
      collectEvents(events, (event) => view.show(event)),
    );
    recording?.save(plan, report);
    await onReport(report);
    if (report.outcome === "interrupted") throw new ExitError(interrupts.status);
    if (report.outcome === "failed") throw new ExitError(1);
  } finally {
    interrupts.stop();
  }
}

/** Turns the process's signals into the two stages of an interruption. */
class Interrupts {
  readonly first = new AbortController();
  readonly second = new AbortController();
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
    if (this.first.signal.aborted) {
      this.second.abort();
      return;
    }
    this.status = status;
    this.first.abort();
  }
}

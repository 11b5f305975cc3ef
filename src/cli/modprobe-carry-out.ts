import { type Command, Option } from "commander";
import type { Plan } from "../graph/index.js";
import { type OutputLine, type RcSession, StepExecutor } from "../rc/index.js";
import { collect as collectEvents, type RunReport, runPlan } from "../run/index.js";
import { positiveInteger, seconds } from "./arguments.js";
import type { Circumstances } from "./facts.js";
import { PlainView } from "./modprobe-view.js";
import { ExitError, printLine, say } from "./output.js";

/** How a plan is to be carried out. */
export interface CarryOutOptions {
  readonly verbose?: boolean;
  readonly jobs?: number;
  readonly keepGoing?: boolean;
  /** Seconds after which a module that is being removed is cancelled. */
  readonly cancelAfter?: number;
  readonly insecure?: boolean;
}

/** Adds `--jobs` and `--keep-going`. */
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
    );
}

/**
 * Carries out a plan, telling people how it goes. The first SIGINT or SIGTERM starts nothing more, the second cancels
 * what runs (planning.md §7).
 * @throws ExitError with status 1 if it failed, 130 or 143 if it was interrupted; everything is said by then
 */
export async function carryOut(
  plan: Plan,
  { handle }: Pick<Circumstances, "handle">,
  options: CarryOutOptions,
  session?: RcSession,
): Promise<RunReport> {
  const view = new PlainView(options.verbose === true);
  const interrupts = new Interrupts();
  try {
    const executor = new StepExecutor({
      handle,
      session,
      onOutput: printOutput,
      insecure: options.insecure,
      ...(options.cancelAfter !== undefined && { cancelRemovalAfterMs: options.cancelAfter * 1000 }),
    });
    const events = runPlan(plan, {
      executor,
      jobs: options.jobs,
      keepGoing: options.keepGoing,
      signal: interrupts.first.signal,
      cancelSignal: interrupts.second.signal,
    });
    const report = await collectEvents(events, (event) => view.show(event));
    if (report.outcome === "interrupted") throw new ExitError(interrupts.status);
    if (report.outcome === "failed") throw new ExitError(1);
    return report;
  } finally {
    interrupts.stop();
  }
}

/** Whole lines, each to the stream that the task wrote it to. */
export function printOutput({ stream, text }: OutputLine): void {
  if (stream === "stdout") printLine(text);
  else say(text);
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

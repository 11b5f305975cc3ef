import { availableParallelism } from "node:os";
import { SluiceError } from "../errors/index.js";
import { type Clock, systemClock } from "./clock.js";
import type { Shuffle } from "./shuffle.js";
import type { StepExecutor } from "./step-executor.js";

/** The options of a run. */
export interface RunOptions {
  readonly executor: StepExecutor;
  /** Steps that may run at the same time, 1 or more; {@link defaultJobs} if absent. */
  readonly jobs?: number | undefined;
  /**
   * The first interrupt. After its abort, no step starts. After `cancelAfterMs` the run cancels running
   * steps.
   */
  readonly signal?: AbortSignal | undefined;
  /** The second interrupt. After its abort, the run cancels running steps at once. */
  readonly cancelSignal?: AbortSignal | undefined;
  /** Default 2000. */
  readonly cancelAfterMs?: number | undefined;
  /** Default 2000: how long the run waits for a cancelled step before it continues without it. */
  readonly graceMs?: number | undefined;
  /**
   * After a failure, continues with all units that do not require or need the failed one. Removals always do so.
   */
  readonly keepGoing?: boolean | undefined;
  /** The durations of units in the last recorded run, by name. A missing unit counts as 1. */
  readonly durationsMs?: ReadonlyMap<string, number> | undefined;
  /** Which of the ready steps comes next, in place of the one with the longest path; one at a time unless `jobs` is set. */
  readonly shuffle?: Shuffle | undefined;
  readonly clock?: Clock | undefined;
}

/** {@link RunOptions} with all defaults set. */
export type RunSettings = Required<Omit<RunOptions, Defaulted>> & {
  readonly [K in Defaulted]-?: Exclude<RunOptions[K], undefined>;
};

type Defaulted = "jobs" | "cancelAfterMs" | "graceMs" | "keepGoing" | "clock";

/** Number of cores + 4, at most 32 (docs/design/planning.md §7). */
export function defaultJobs(): number {
  return Math.min(32, availableParallelism() + 4);
}

/**
 * Fills in the defaults.
 * @throws SluiceError `USAGE` if `jobs` is no positive integer
 */
export function settle(options: RunOptions): RunSettings {
  const jobs = options.jobs ?? (options.shuffle === undefined ? defaultJobs() : 1);
  if (!Number.isInteger(jobs) || jobs < 1) {
    throw new SluiceError("USAGE", `the number of jobs must be a positive integer, not ${jobs}`);
  }
  return {
    executor: options.executor,
    jobs,
    signal: options.signal,
    cancelSignal: options.cancelSignal,
    cancelAfterMs: options.cancelAfterMs ?? 2000,
    graceMs: options.graceMs ?? 2000,
    keepGoing: options.keepGoing ?? false,
    durationsMs: options.durationsMs,
    shuffle: options.shuffle,
    clock: options.clock ?? systemClock,
  };
}

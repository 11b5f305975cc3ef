import type { Step } from "../graph/index.js";

/** The action of a step on its unit. */
export type StepAction = Step["action"];

/** Why a run stopped starting steps. */
export type StopCause = { readonly kind: "failed"; readonly unit: string } | { readonly kind: "interrupted" };

/** When an event happened. */
interface AtTime {
  /** Since the `plan` event, from a monotonic clock; fractions of a millisecond count. Never decreases in a stream. */
  readonly atMs: number;
}

/** The step of an event. */
interface OfStep extends AtTime {
  readonly unit: string;
  readonly action: StepAction;
}

/** The last event of a step that had started. */
interface AfterStart extends OfStep {
  /** The time since the step's `start`. */
  readonly durationMs: number;
}

/** The first event of every stream. */
export interface PlanEvent extends AtTime {
  readonly type: "plan";
  readonly stepCount: number;
  readonly jobs: number;
  /** Wall clock, since 1970; add an event's `atMs` to get its time of day. */
  readonly epochMs: number;
  /** The option for the order of ready steps: a seed, or `@` and a file. */
  readonly shuffle?: string;
}

/** A step has a slot and was handed to the executor. */
export interface StartEvent extends OfStep {
  readonly type: "start";
}

/** A step is done. */
export interface EndEvent extends AfterStart {
  readonly type: "end";
}

/** A step failed. */
export interface FailEvent extends AfterStart {
  readonly type: "fail";
  /** For people, printed after `NAME: `. */
  readonly message: string;
  readonly error: Error;
  /** The unit is optional: units that require it run without it. The run has not failed because of it. */
  readonly optional?: true;
}

/** A step took longer than its unit's `timeout`: the run has cancelled the step, which counts as failed. */
export interface TimeoutEvent extends AfterStart {
  readonly type: "timeout";
  readonly timeoutMs: number;
  readonly message: string;
  readonly error: Error;
  /** The same as in {@link FailEvent}. */
  readonly optional?: true;
}

/** A running step was abandoned because of an interrupt. */
export interface CancelEvent extends AfterStart {
  readonly type: "cancel";
  readonly message: string;
}

/** A step will not run, because it requires or needs one that failed. */
export interface SkipEvent extends OfStep {
  readonly type: "skip";
  /** The unit that failed, at the end of the chain. */
  readonly because: string;
  /** The unit that this one requests itself: `because`, or a unit that was skipped for it. */
  readonly via: string;
  readonly message: string;
}

/** A step was never started, because the run stopped before its turn. It has no error of its own. */
export interface NotStartedEvent extends OfStep {
  readonly type: "not-started";
  readonly because: StopCause;
  readonly message: string;
}

/** The caller's signal: nothing more starts (`stop`), or running steps are cancelled as well (`cancel`). */
export interface InterruptEvent extends AtTime {
  readonly type: "interrupt";
  readonly stage: "stop" | "cancel";
}

/** The last event of every stream. */
export interface SummaryEvent extends AtTime {
  readonly type: "summary";
  /** `interrupted` wins over `failed`. */
  readonly outcome: RunOutcome;
  readonly done: number;
  /** Time-outs among them. */
  readonly failed: number;
  readonly cancelled: number;
  readonly skipped: number;
  readonly notStarted: number;
}

/** The outcome of a whole run. */
export type RunOutcome = "ok" | "failed" | "interrupted";

/**
 * One entry of the ordered stream of a run (docs/design/planning.md §7). The terminal view, the JSON log,
 * timings and pictures read this stream.
 *
 * A stream begins with `plan` and ends with `summary`. Every step of the plan has exactly one last event:
 * `end`, `fail`, `timeout` or `cancel` after its `start`, else `skip` or `not-started`.
 */
export type RunEvent =
  | PlanEvent
  | StartEvent
  | EndEvent
  | FailEvent
  | TimeoutEvent
  | CancelEvent
  | SkipEvent
  | NotStartedEvent
  | InterruptEvent
  | SummaryEvent;

import type {
  CancelEvent,
  EndEvent,
  FailEvent,
  NotStartedEvent,
  RunEvent,
  RunOutcome,
  SkipEvent,
  StepAction,
  TimeoutEvent,
} from "./events.js";

/** When a step ran, for `--timing`, `analyze` and the durations of the next run. */
export interface StepTiming {
  readonly unit: string;
  readonly action: StepAction;
  /** The time since the start of the run. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly ended: "end" | "fail" | "timeout" | "cancel";
}

/** The result of a finished run. Lists are in the order of the events. */
export interface RunReport {
  readonly outcome: RunOutcome;
  /** Whether the outcome is `ok`. */
  readonly ok: boolean;
  readonly jobs: number;
  /** The time of the start, in milliseconds since 1970. */
  readonly epochMs: number;
  readonly durationMs: number;
  readonly done: readonly EndEvent[];
  readonly failed: readonly (FailEvent | TimeoutEvent)[];
  readonly cancelled: readonly CancelEvent[];
  readonly skipped: readonly SkipEvent[];
  readonly notStarted: readonly NotStartedEvent[];
  /** The times of every step that started, in the order in which they ended. */
  readonly timings: readonly StepTiming[];
  readonly events: readonly RunEvent[];
}

/** Reads a run to its end, and calls `onEvent` for each event. */
export async function collect(
  events: AsyncIterable<RunEvent>,
  onEvent?: (event: RunEvent) => void,
): Promise<RunReport> {
  const seen: RunEvent[] = [];
  for await (const event of events) {
    seen.push(event);
    onEvent?.(event);
  }
  return summarise(seen);
}

/** The report of a run with all its events. A run without a `summary` counts as interrupted. */
export function summarise(events: readonly RunEvent[]): RunReport {
  const draft = new ReportDraft();
  for (const event of events) draft.add(event);
  const { outcome, jobs, epochMs, durationMs, done, failed, cancelled, skipped, notStarted, timings } = draft;
  return {
    ...{ outcome, ok: outcome === "ok", jobs, epochMs, durationMs },
    ...{ done, failed, cancelled, skipped, notStarted, timings, events },
  };
}

class ReportDraft {
  outcome: RunOutcome = "interrupted";
  jobs = 0;
  epochMs = 0;
  durationMs = 0;
  readonly done: EndEvent[] = [];
  readonly failed: (FailEvent | TimeoutEvent)[] = [];
  readonly cancelled: CancelEvent[] = [];
  readonly skipped: SkipEvent[] = [];
  readonly notStarted: NotStartedEvent[] = [];
  readonly timings: StepTiming[] = [];

  add(event: RunEvent): void {
    this.durationMs = event.atMs;
    switch (event.type) {
      case "plan":
        this.jobs = event.jobs;
        this.epochMs = event.epochMs;
        return;
      case "end":
        this.done.push(event);
        this.#time(event);
        return;
      case "fail":
      case "timeout":
        this.failed.push(event);
        this.#time(event);
        return;
      case "cancel":
        this.cancelled.push(event);
        this.#time(event);
        return;
      case "skip":
        this.skipped.push(event);
        return;
      case "not-started":
        this.notStarted.push(event);
        return;
      case "summary":
        this.outcome = event.outcome;
        return;
      case "start":
      case "interrupt":
        return;
    }
  }

  #time({ unit, action, atMs, durationMs, type }: EndEvent | FailEvent | TimeoutEvent | CancelEvent): void {
    this.timings.push({ unit, action, startedAtMs: atMs - durationMs, durationMs, ended: type });
  }
}

import { SluiceError } from "../errors/index.js";
import type {
  CancelEvent,
  EndEvent,
  FailEvent,
  InterruptEvent,
  NotStartedEvent,
  PlanEvent,
  RunEvent,
  SkipEvent,
  StartEvent,
  SummaryEvent,
  TimeoutEvent,
} from "./events.js";

/** A failure in the form of JSON: the code of its error in place of the error. */
type Coded<T extends FailEvent | TimeoutEvent> = Omit<T, "error"> & { readonly code: string };

/**
 * A {@link RunEvent} as one line of JSON. `--json`, recorded runs, and messages between processes have this
 * form. Times are milliseconds, to the nanosecond.
 */
export type RunEventJson =
  | PlanEvent
  | StartEvent
  | EndEvent
  | Coded<FailEvent>
  | Coded<TimeoutEvent>
  | CancelEvent
  | SkipEvent
  | NotStartedEvent
  | InterruptEvent
  | SummaryEvent;

/** An event as JSON. */
export function eventToJson(event: RunEvent): RunEventJson {
  const atMs = toNanosecond(event.atMs);
  switch (event.type) {
    case "end":
    case "cancel":
      return { ...event, atMs, durationMs: toNanosecond(event.durationMs) };
    case "fail":
    case "timeout": {
      const { error, ...rest } = event;
      const code = error instanceof SluiceError ? error.code : "RUN_FAILED";
      return { ...rest, atMs, durationMs: toNanosecond(event.durationMs), code };
    }
    case "plan":
    case "start":
    case "skip":
    case "not-started":
    case "interrupt":
    case "summary":
      return { ...event, atMs };
  }
}

/** Clocks give more digits than their resolution. */
function toNanosecond(timeMs: number): number {
  return Math.round(timeMs * 1e6) / 1e6;
}

type Check = (value: unknown) => boolean;
type Shape = Readonly<Record<string, Check>>;

const text: Check = (value) => typeof value === "string";
const count: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const time: Check = (value) => typeof value === "number" && Number.isFinite(value) && value >= 0;
const oneOf =
  (...words: readonly string[]): Check =>
  (value) =>
    typeof value === "string" && words.includes(value);

const OF_STEP: Shape = { atMs: time, unit: text, action: oneOf("load", "remove", "run") };
const ENDED: Shape = { ...OF_STEP, durationMs: time };
const FAILED: Shape = { ...ENDED, message: text, code: text };

const EVENTS: Readonly<Record<RunEventJson["type"], Shape>> = {
  plan: { atMs: time, stepCount: count, jobs: count, epochMs: time },
  start: OF_STEP,
  end: ENDED,
  fail: FAILED,
  timeout: { ...FAILED, timeoutMs: time },
  cancel: { ...ENDED, message: text },
  skip: { ...OF_STEP, because: text, via: text, message: text },
  "not-started": { ...OF_STEP, because: isStopCause, message: text },
  interrupt: { atMs: time, stage: oneOf("stop", "cancel") },
  summary: {
    ...{ atMs: time, outcome: oneOf("ok", "failed", "interrupted") },
    ...{ done: count, failed: count, cancelled: count, skipped: count, notStarted: count },
  },
};

const SHAPES = new Map<unknown, Shape>(Object.entries(EVENTS));

/** Whether a value read from JSON is an event, with every key that its type has. */
export function isRunEventJson(value: unknown): value is RunEventJson {
  if (!isObject(value)) return false;
  const shape = SHAPES.get(value["type"]);
  return shape !== undefined && Object.entries(shape).every(([key, check]) => check(value[key]));
}

function isStopCause(value: unknown): boolean {
  if (!isObject(value)) return false;
  return value["kind"] === "interrupted" || (value["kind"] === "failed" && text(value["unit"]));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

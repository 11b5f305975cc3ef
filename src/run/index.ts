export { type Clock, systemClock } from "./clock.js";
export { durationText } from "./duration-text.js";
export { eventToJson, isRunEventJson, type RunEventJson } from "./event-json.js";
export type {
  CancelEvent,
  EndEvent,
  FailEvent,
  InterruptEvent,
  NotStartedEvent,
  PlanEvent,
  RunEvent,
  RunOutcome,
  SkipEvent,
  StartEvent,
  StepAction,
  StopCause,
  SummaryEvent,
  TimeoutEvent,
} from "./events.js";
export { Frontier } from "./frontier.js";
export { defaultJobs, type RunOptions } from "./options.js";
export type * from "./step-executor.js";
export { ReadyHeap } from "./ready-heap.js";
export { collect, type RunReport, type StepTiming, summarise } from "./report.js";
export { runPlan } from "./run-plan.js";
export { expectedDurations, remainingPaths } from "./schedule.js";

export { type Blame, blame } from "./blame.js";
export { type ChromeTrace, ganttToTrace } from "./chrome-trace.js";
export { type ChainLink, criticalChain, nextToCritical } from "./critical-chain.js";
export type { Removed } from "./edit.js";
export { type Gantt, type GanttBar, ganttOf } from "./gantt.js";
export { ganttToHtml } from "./gantt-html.js";
export { ganttToSvg } from "./gantt-svg.js";
export { type Headline, headlineOf, headlineText } from "./headline.js";
export { type RecordedPlan, type RecordedStep, recordPlan, type RunRecord } from "./record.js";
export { readRecord, recordedDurations, RecordStore, type StoredRun } from "./record-store.js";
export { recordFromText, recordToText, unknownUnit } from "./record-text.js";
export { learn, type Lesson, type LuckyMessage, type UnusedEdge } from "./learn.js";
export { messagesWithin, type RunMessages } from "./unit-messages.js";
export { ganttToOtlp } from "./otlp.js";
export type { StepTime, Timeline, Wait } from "./timeline.js";
export {
  type Attempt,
  failureIn,
  type Finding,
  shuffleStarts,
  type ShuffleVerdict,
  type StartFailure,
  type Tried,
} from "./shuffle-starts.js";
export { timespan } from "./timespan.js";
export { type Prediction, recordedTimeline, type Supposition, whatIf } from "./what-if.js";

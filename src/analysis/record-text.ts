import { type Diagnostic, didYouMean, fail, type Result, SluiceError, succeed } from "../errors/index.js";
import { isRunEventJson, remainingPaths, type RunEventJson } from "../run/index.js";
import { isRunMessages } from "./unit-messages.js";
import { dagOf, type RecordedPlan, type RecordedStep, type RunRecord } from "./record.js";

const FORMAT = "sluice-run";
const VERSION = 1;

/** The message of a failure may be a whole log. A record keeps only this much of it. */
const MESSAGE_LIMIT = 2000;

/**
 * A run as text in JSON lines (docs/analyze.md). The first line has the plan. Each further line has an event,
 * in the form of `--json`.
 */
export function recordToText({ command, rank, version, plan, events, messages }: RunRecord): string {
  const head = { format: FORMAT, version: VERSION, command, rank, sluice: version, plan, messages };
  return [head, ...events.map(shortened)].map((line) => `${JSON.stringify(line)}\n`).join("");
}

function shortened(event: RunEventJson): RunEventJson {
  if (!("message" in event) || event.message.length <= MESSAGE_LIMIT) return event;
  return { ...event, message: `${event.message.slice(0, MESSAGE_LIMIT)}…` };
}

/**
 * Reads the text that {@link recordToText} wrote.
 * @param file for messages
 * @returns `RUN_RECORD` with the invalid line
 */
export function recordFromText(text: string, file: string): Result<RunRecord> {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const [first, ...rest] = lines;
  const head = headOf(first ?? "");
  if (typeof head === "string") return fail([problem(file, 1, head)]);
  const units = new Set(head.plan.steps.map(({ unit }) => unit));
  const events: RunEventJson[] = [];
  for (const [index, line] of rest.entries()) {
    const event = parsed(line);
    if (!isRunEventJson(event)) return fail([problem(file, index + 2, "is not a run event")]);
    if ("unit" in event && !units.has(event.unit)) {
      return fail([problem(file, index + 2, `names ${event.unit}, which is not in the plan`)]);
    }
    events.push(event);
  }
  if (events[0]?.type !== "plan" || events.at(-1)?.type !== "summary") {
    return fail([problem(file, lines.length, "lacks the end of the run")]);
  }
  return succeed({ ...head, events });
}

/** The first line, or its problem. */
function headOf(line: string): Omit<RunRecord, "events"> | string {
  const head = parsed(line);
  if (!isObject(head) || head["format"] !== FORMAT) return "is not the head of a recorded run";
  const { version, command, rank, sluice, plan, messages } = head;
  if (version !== VERSION) return `has version ${String(version)} instead of the readable version ${VERSION}`;
  if (typeof command !== "string" || typeof sluice !== "string" || !isIndex(rank)) {
    return "lacks command, rank or sluice";
  }
  if (!isPlan(plan)) return "has no readable plan";
  if (!isAcyclic(plan)) return "has a plan with a cycle";
  if (messages !== undefined && !isRunMessages(messages)) return "has no readable messages";
  return { command, rank, version: sluice, plan, messages };
}

function isPlan(value: unknown): value is RecordedPlan {
  if (!isObject(value)) return false;
  const { kind, steps, barriers } = value;
  if (!["start", "stop", "load", "remove"].includes(String(kind))) return false;
  if (!Array.isArray(steps) || !Array.isArray(barriers)) return false;
  const isNode = isBelow(steps.length + barriers.length);
  const isStep = isBelow(steps.length);
  return (
    barriers.every((before) => isListOf(before, isNode)) &&
    steps.every((step) => isRecordedStep(step, isNode, isStep))
  );
}

/** A user may have edited the record. All later code relies on an order without cycles. */
function isAcyclic(plan: RecordedPlan): boolean {
  try {
    remainingPaths(dagOf(plan), new Float64Array(plan.steps.length));
    return true;
  } catch (error) {
    if (error instanceof SluiceError && error.code === "INTERNAL") return false;
    throw error;
  }
}

function isRecordedStep(
  value: unknown,
  isNode: (item: unknown) => boolean,
  isStep: (item: unknown) => boolean,
): value is RecordedStep {
  if (!isObject(value)) return false;
  const { unit, action, expectedMs, root, after, requires, needs, isProgram } = value;
  return (
    typeof unit === "string" &&
    ["load", "remove", "run"].includes(String(action)) &&
    typeof expectedMs === "number" &&
    typeof root === "boolean" &&
    isListOf(after, isNode) &&
    isListOf(requires, isStep) &&
    Array.isArray(needs) &&
    needs.every((need) => isListOf(need, isStep)) &&
    (isProgram === undefined || isProgram === true)
  );
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

function isBelow(limit: number): (value: unknown) => boolean {
  return (value) => isIndex(value) && value < limit;
}

function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function problem(file: string, line: number, message: string): Diagnostic {
  return {
    code: "RUN_RECORD",
    severity: "error",
    message,
    location: { file, line, column: 1, endLine: line, endColumn: 2 },
    related: [],
  };
}

/** The message about a name that no step of a recorded plan has. */
export function unknownUnit(name: string, { steps }: RecordedPlan): string {
  const hint = didYouMean(
    name,
    steps.map(({ unit }) => unit),
  );
  return `no such unit in the recorded run: ${name}${hint === undefined ? "" : `; ${hint}`}`;
}

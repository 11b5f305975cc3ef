import { fields, type JsonValue, type Payload } from "../messages/index.js";
import type { Change } from "./change.js";

/** The state of a unit in a run, which decides its colour in a picture. */
type StepState = "waiting" | "starting" | "done" | "failed" | "left-out";

/** The unit, its state, the action, and perhaps a message. */
type StepRow = readonly [unit: string, state: StepState, action: string, message: string | null];

const STATES: Readonly<Record<string, StepState>> = {
  start: "starting",
  end: "done",
  fail: "failed",
  timeout: "failed",
  cancel: "failed",
  skip: "left-out",
  "not-started": "left-out",
};

interface LiveRun {
  readonly id: string;
  readonly command: string;
  readonly time: number;
  readonly steps: Map<string, StepRow>;
  state: string;
  recorded: boolean;
}

/** The number of ended runs that it keeps. */
const KEPT = 3;

/** The runs of an instance, from the stream `run.watch`. */
export class LiveRuns {
  readonly #runs = new Map<string, LiveRun>();

  /** The oldest first. */
  all(): readonly unknown[] {
    return [...this.#runs.values()].map(runJson);
  }

  /** @returns the changes, in the form for pages */
  take(payload: Payload): Change | undefined {
    const report = fields(payload, REPORT);
    if (report.id === undefined) return undefined;
    const known = this.#runs.get(report.id);
    if (known === undefined) return this.#begin(report.id, report);
    const steps = rowsOf(report.events ?? []);
    for (const row of steps) known.steps.set(row[0], row);
    known.state = report.state ?? known.state;
    known.recorded = report.recorded ?? known.recorded;
    const { id, state, recorded } = known;
    return { part: "run", id, state, recorded, steps };
  }

  #begin(id: string, report: Report): Change | undefined {
    const { command, time, steps: planned, events = [], state = "running", recorded = false } = report;
    if (command === undefined || time === undefined || planned === undefined) return undefined;
    const steps = new Map<string, StepRow>();
    for (const step of planned) {
      const { unit, action } = fields(step, { unit: "string", action: "string" });
      steps.set(unit, [unit, "waiting", action, null]);
    }
    for (const row of rowsOf(events)) steps.set(row[0], row);
    const run = { id, command, time, steps, state, recorded };
    this.#runs.set(id, run);
    const ended = [...this.#runs.values()].filter((one) => one.state !== "running");
    for (const old of ended.slice(0, Math.max(0, ended.length - KEPT))) this.#runs.delete(old.id);
    return { part: "run", ...runJson(run) };
  }
}

const REPORT = {
  id: "string?",
  command: "string?",
  time: "number?",
  steps: "array?",
  events: "array?",
  state: "string?",
  recorded: "boolean?",
} as const;

type Report = ReturnType<typeof fields<typeof REPORT>>;

function runJson({ steps, ...run }: LiveRun): Readonly<Record<string, unknown>> {
  return { ...run, steps: [...steps.values()] };
}

function rowsOf(events: readonly JsonValue[]): StepRow[] {
  return events.flatMap((event): StepRow[] => {
    const { type, unit, action, message } = fields(event, EVENT);
    const state = STATES[type];
    if (state === undefined || unit === undefined) return [];
    return [[unit, state, action ?? "", message ?? null]];
  });
}

const EVENT = { type: "string", unit: "string?", action: "string?", message: "string?" } as const;

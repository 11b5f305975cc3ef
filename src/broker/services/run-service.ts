import { requestError } from "../../errors/index.js";
import { fields, type JsonValue } from "../../messages/index.js";
import type { Call, ServiceDefinition } from "../builtin-service.js";
import type { Clock } from "../clock.js";
import { OpenStreams } from "../open-streams.js";
import { RunCounts, type RunTotals } from "./run-totals.js";

/** The number of ended runs that the broker keeps, so that pages that open later show the last ones. */
const KEPT = 3;

/** The outcomes in the summary of a run. */
const OUTCOMES = ["ok", "failed", "interrupted"] as const;

const REPORT = {
  id: "string",
  command: "string?",
  steps: "array?",
  events: "array?",
  recorded: "boolean?",
} as const;

/** A runner's reports about its run. */
interface ReportedRun {
  readonly id: string;
  readonly command: string;
  /** Seconds since 1970. */
  readonly time: number;
  /** Each `unit` and `action`, in the order of the plan. */
  readonly steps: readonly JsonValue[];
  readonly events: JsonValue[];
  readonly sender: string;
  state: "running" | "ended" | "lost";
  recorded: boolean;
}

/** The progress of runs: the process that carries a plan out reports it, and readers receive it as a stream. */
export function runService(runs: Runs): ServiceDefinition {
  const streams = new OpenStreams();
  return {
    name: "run",
    methods: {
      report: (call) => {
        runs.report(call);
        call.respond();
      },
      watch: (call) => {
        call.requireStreaming();
        streams.add(
          call,
          runs.follow((payload) => call.respond(payload)),
        );
      },
      cancel: (call) => streams.cancel(call),
      disconnect: (call) => {
        runs.lost(call.sender);
        streams.disconnect(call);
      },
    },
  };
}

/** The runs of a broker, from the reports about them. */
export class Runs {
  readonly #clock: Clock;
  readonly #counts = new RunCounts();
  readonly #runs = new Map<string, ReportedRun>();
  readonly #followers = new Set<(payload: Readonly<Record<string, JsonValue>>) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The totals of all ended runs. */
  totals(): RunTotals[] {
    return this.#counts.all();
  }

  report(call: Call): void {
    const { id, command, steps, events = [], recorded = false } = call.fields(REPORT);
    const run = this.#runs.get(id);
    if (run === undefined) {
      if (command === undefined || steps === undefined) {
        throw requestError("EINVAL", `unknown run ${id}: its first report must have command and steps`);
      }
      this.#begin({ id, command, steps, events: [...events], sender: call.sender });
      return;
    }
    if (run.sender !== call.sender) throw requestError("EPERM", `run ${id} belongs to another client`);
    // One at a time, because the number of events depends on the plan, and an argument list has a limit.
    for (const event of events) run.events.push(event);
    run.recorded ||= recorded;
    this.#endedBy(run, events);
    this.#tell({ id, events, state: run.state, recorded: run.recorded });
    this.#prune();
  }

  /** A runner that disconnects during its run leaves a run without an end. */
  lost(sender: string): void {
    for (const run of this.#runs.values()) {
      if (run.state !== "running" || run.sender !== sender) continue;
      run.state = "lost";
      this.#counts.add(run.command, "lost", this.#clock.now() / 1000 - run.time);
      this.#tell({ id: run.id, events: [], state: run.state, recorded: run.recorded });
    }
    this.#prune();
  }

  /**
   * Reports the runs so far, and then each further report.
   * @returns a function that ends this
   */
  follow(follower: (payload: Readonly<Record<string, JsonValue>>) => void): () => void {
    for (const run of this.#runs.values()) follower(wholeRun(run));
    // From then on the reader has all runs.
    follower({ current: true });
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  #begin(run: Pick<ReportedRun, "id" | "command" | "steps" | "events" | "sender">): void {
    const begun: ReportedRun = {
      ...{ ...run, time: this.#clock.now() / 1000, recorded: false },
      state: "running",
    };
    this.#endedBy(begun, run.events);
    this.#runs.set(run.id, begun);
    this.#tell(wholeRun(begun));
    this.#prune();
  }

  #endedBy(run: ReportedRun, events: readonly JsonValue[]): void {
    const summary = events.find(isSummary);
    if (summary === undefined || run.state !== "running") return;
    run.state = "ended";
    const { outcome = "", atMs = 0 } = fields(summary, { outcome: "string?", atMs: "number?" });
    this.#counts.add(run.command, OUTCOMES.find((known) => known === outcome) ?? "failed", atMs / 1000);
  }

  #tell(payload: Readonly<Record<string, JsonValue>>): void {
    for (const follower of [...this.#followers]) follower(payload);
  }

  #prune(): void {
    const ended = [...this.#runs.values()].filter(({ state }) => state !== "running");
    for (const { id } of ended.slice(0, Math.max(0, ended.length - KEPT))) this.#runs.delete(id);
  }
}

function wholeRun({
  id,
  command,
  time,
  steps,
  events,
  state,
  recorded,
}: ReportedRun): Readonly<Record<string, JsonValue>> {
  // The current runs. The service reports later runs when they start.
  return { id, command, time, steps, events: [...events], state, recorded };
}

function isSummary(event: JsonValue): boolean {
  return typeof event === "object" && event !== null && "type" in event && event["type"] === "summary";
}

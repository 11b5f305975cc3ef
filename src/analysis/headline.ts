import type { RunRecord } from "./record.js";
import { timespan } from "./timespan.js";

/** A recorded run in a few words, for the top of every report. */
export interface Headline {
  readonly command: string;
  readonly rank: number;
  /** Wall clock at its start, since 1970. */
  readonly epochMs: number;
  readonly durationNs: number;
  readonly unitCount: number;
  readonly jobs: number;
  readonly outcome: "ok" | "failed" | "interrupted";
  readonly failed: number;
  /** Units that did not run: skipped or not started. */
  readonly notRun: number;
}

/** Reads the first and the last event of a record. */
export function headlineOf({ command, rank, events }: RunRecord): Headline {
  const first = events[0];
  const last = events.at(-1);
  const start = first?.type === "plan" ? first : { epochMs: 0, stepCount: 0, jobs: 1 };
  const end =
    last?.type === "summary"
      ? last
      : ({ atMs: 0, outcome: "interrupted", failed: 0, skipped: 0, notStarted: 0 } as const);
  return {
    command,
    rank,
    epochMs: start.epochMs,
    durationNs: Math.round(end.atMs * 1e6),
    unitCount: start.stepCount,
    jobs: start.jobs,
    outcome: end.outcome,
    failed: end.failed,
    notRun: end.skipped + end.notStarted,
  };
}

/** `rc1 of rank 0, 2026-11-20 19:32:09 UTC: 25 units in 1.204s, 6 at a time`, and the failure if there was one. */
export function headlineText(headline: Headline): string {
  const { command, rank, epochMs, durationNs, unitCount, jobs, outcome, failed, notRun } = headline;
  const day = new Date(epochMs).toISOString().slice(0, 19).replace("T", " ");
  const parts = [
    `${command} of rank ${rank}, ${day} UTC: ${unitCount} ${unitCount === 1 ? "unit" : "units"} in ${timespan(durationNs)}`,
    `${jobs} at a time`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(notRun > 0 ? [`${notRun} did not run`] : []),
    ...(outcome === "interrupted" ? ["interrupted"] : []),
  ];
  return parts.join(", ");
}

/** Parses the command line of `sluice batch`, and formats jobs. */
import { fields, type Payload } from "sluice";

const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of `90s`, `1.5h` and the like. */
export function durationSeconds(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const seconds = Number(number) * (SECONDS[unit] ?? 0);
  if (seconds > 0) return seconds;
  throw new Error(`'${text}': a duration is a number with ms, s, m, h or d, as in 90s`);
}

export function wholeNumber(what: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${what} must be a whole number, not '${text}'`);
  return Number(text);
}

/** A job as far as it is shown. */
export interface ListedJob {
  readonly id: number;
  readonly state: string;
  readonly result: string | undefined;
  readonly status: number | undefined;
  readonly note: string;
  readonly cores: number;
  readonly urgency: number;
  readonly command: readonly string[];
  /** That it runs or ran on. */
  readonly rank: number | undefined;
  readonly started: number | undefined;
  readonly ended: number | undefined;
}

/** Reads a job in the form of job-manager. */
export function listedJob(payload: Payload): ListedJob {
  const { end, placement, ...job } = fields(payload, {
    id: "integer",
    state: "string",
    cores: "integer",
    urgency: "integer",
    command: "string[]",
    started: "number?",
    ended: "number?",
    end: "object?",
    placement: "object?",
  });
  const { result, status, note } = fields(end ?? {}, {
    result: "string?",
    status: "integer?",
    note: "string?",
  });
  const { rank } = fields(placement ?? {}, { rank: "integer?" });
  return { ...job, result, status, note: note ?? "", rank };
}

/** As `flux jobs` and `squeue` abbreviate them. */
const ABBREVIATION: Readonly<Record<string, string>> = {
  SCHED: "PD",
  RUN: "R",
  COMPLETED: "CD",
  FAILED: "F",
  CANCELED: "CA",
  TIMEOUT: "TO",
};

/** A line for each job under a line of titles. */
export function jobTable(jobs: readonly ListedJob[], now: number): string[] {
  const rows = jobs.map((job) => {
    const seconds = job.started === undefined ? undefined : (job.ended ?? now) - job.started;
    const time = seconds === undefined ? "-" : `${seconds.toFixed(1)}s`;
    const state = ABBREVIATION[job.result ?? job.state] ?? job.state;
    return [`${job.id}`, state, `${job.cores}`, `${job.urgency}`, time, commandText(job.command)];
  });
  const all = [["ID", "ST", "CORES", "URGENCY", "TIME", "COMMAND"], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) =>
    row.map((cell, i) => (i === 1 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(" "),
  );
}

/** A shell line as it was written, on one line. */
function commandText(command: readonly string[]): string {
  const [shell, flag, line, ...more] = command;
  const text = shell === "bash" && flag === "-c" && more.length === 0 ? line : command.join(" ");
  return (text ?? "").replaceAll(/\s+/g, " ");
}

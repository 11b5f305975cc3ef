/** A job, from its submission to its record. Plain data: the KVS and requests contain it unchanged. */
import { fields, type JsonValue, messageOf, type Payload, requestError } from "sluice";

/** Urgencies, as in Flux: higher is sooner. */
export const URGENCY = { lowest: 1, default: 16, highest: 31 } as const;

/** The request of its owner. */
export type JobSpec = {
  readonly command: readonly string[];
  /** On one host. */
  readonly cores: number;
  /** Longest time that it may run, in seconds; null for no limit. */
  readonly duration: number | null;
  readonly urgency: number;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
};

/** Cores of one host. */
export type Placement = { readonly rank: number; readonly cores: readonly number[] };

export type JobResult = "COMPLETED" | "FAILED" | "CANCELED" | "TIMEOUT";

/** How the command of a job ended; `status` as a shell has it, 128 and more for signals. */
export type JobEnd = { readonly result: JobResult; readonly status: number; readonly note: string };

/** How the command of a job ended, as job-exec reports it. */
export type CommandEnd = {
  readonly id: number;
  readonly status: number;
  /** It was killed because its duration was over. */
  readonly isTimeout: boolean;
  readonly note: string;
};

/** Where a job stands: waiting for cores, running, done. Times are seconds since 1970. */
export type Progress =
  | { readonly state: "SCHED" }
  | { readonly state: "RUN"; readonly placement: Placement; readonly started: number }
  | {
      readonly state: "INACTIVE";
      readonly end: JobEnd;
      /** Null for a job that never ran. */
      readonly placement: Placement | null;
      readonly started: number | null;
      readonly ended: number;
    };

export type Job = {
  readonly id: number;
  readonly submitted: number;
  readonly spec: JobSpec;
  readonly progress: Progress;
};

/**
 * The specification in the payload of `submit`.
 * @throws `EPROTO` for another shape, `EINVAL` for what makes no sense, naming the field
 */
export function parseSpec(payload: Payload): JobSpec {
  const given = fields(payload, {
    command: "string[]",
    cores: "integer?",
    duration: "number?",
    urgency: "integer?",
    cwd: "string",
    env: "object?",
  });
  const { command, cwd, cores = 1, duration = null, urgency = URGENCY.default } = given;
  if (command.length === 0 || command[0] === "") throw requestError("EINVAL", "there is no command to run");
  if (cores < 1) throw requestError("EINVAL", `cores must be at least 1, not ${cores}`);
  if (duration !== null && !(duration > 0)) {
    throw requestError("EINVAL", `duration must be more than 0 seconds, not ${duration}`);
  }
  if (urgency < URGENCY.lowest || urgency > URGENCY.highest) {
    throw requestError(
      "EINVAL",
      `urgency must be from ${URGENCY.lowest} to ${URGENCY.highest}, not ${urgency}`,
    );
  }
  const env = Object.entries(given.env ?? {}).map(([name, value]) => {
    if (typeof value !== "string") throw requestError("EPROTO", `'env.${name}' must be a string`);
    return [name, value] as const;
  });
  return { command, cwd, cores, duration, urgency, env: Object.fromEntries(env) };
}

/** A job in the form of `job-manager.list`: all but its environment. */
export function jobSummary({ id, submitted, spec, progress }: Job): Readonly<Record<string, JsonValue>> {
  const { command, cores, duration, urgency, cwd } = spec;
  return { id, submitted, command, cores, duration, urgency, cwd, ...progress };
}

/** Now, in seconds since 1970. */
export function nowSeconds(): number {
  return Date.now() / 1000;
}

/** The one number in a payload that names a job. */
export function idOf(payload: Payload): number {
  return fields(payload, { id: "integer" }).id;
}

/** The report of job-exec about an ended command. */
export function endOf(payload: Payload): CommandEnd {
  return fields(payload, { id: "integer", status: "integer", isTimeout: "boolean", note: "string" });
}

/** Cores as a scheduler names them. */
export function placementOf(payload: Payload): Placement {
  const { rank, cores } = fields(payload, { rank: "integer", cores: "array" });
  return { rank, cores: cores.map(Number) };
}

/** The end of a job that never got to run. */
export function neverRan(what: string, error: unknown): JobEnd {
  return { result: "FAILED", status: 1, note: `${what}: ${messageOf(error)}` };
}

import { hostname } from "node:os";
import { overlayStateError, type SluiceError } from "../../errors/index.js";
import { LastingConnection, type NatsConnectOptions } from "../../nats/index.js";
import type { Assignment } from "./connection.js";
import { startInterval, startTimer } from "../../processes/index.js";

/** The time between two questions of a broker until it has an answer. */
const ASK_MS = 500;

/** The host of the requesting broker; undefined for a message that no broker would send. */
export function hostOf(question: Uint8Array): string | undefined {
  try {
    const { host } = JSON.parse(Buffer.from(question).toString()) as { readonly host?: unknown };
    return typeof host === "string" ? host : undefined;
  } catch {
    return undefined;
  }
}

export interface AssignmentOptions extends NatsConnectOptions {
  readonly instance: string;
  /** Identifies this run of the broker. */
  readonly uuid: string;
  /** How long it may take, in milliseconds. */
  readonly joinTimeoutMs: number;
}

/** The subject on which brokers request a number from rank 0. The subject of an answer is below it. */
export function assignmentSubject(instance: string, uuid: string): string {
  return `sluice.${instance}.join.${uuid}`;
}

/**
 * Requests a free number from rank 0, until rank 0 gives one (docs/design/hosts.md §1).
 * @throws SluiceError `BROKER_STATE`: `EHOSTUNREACH` when rank 0 does not answer in time, or no server. `EBUSY` when
 *   no number becomes free. `EACCES` when these credentials belong to one rank. `ECANCELED` after an abort of the
 *   signal
 */
export async function assignedRank(options: AssignmentOptions): Promise<number> {
  const connection = await LastingConnection.open(options);
  const asking = new AbortController();
  const { signal = asking.signal } = options;
  try {
    return await new Promise<number>((resolve, reject) => {
      let problem: string | undefined;
      connection.listen({
        log: (level, text) => {
          if (level === "err") reject(refusedError(text));
        },
      });
      const subject = assignmentSubject(options.instance, options.uuid);
      connection.subscribe(`${subject}.rank`, ({ data }) => {
        const answer = JSON.parse(Buffer.from(data).toString()) as Assignment;
        if (answer.problem === undefined) resolve(answer.rank);
        else problem = answer.problem;
      });
      const question = Buffer.from(JSON.stringify({ host: hostname() }));
      const ask = (): void => connection.publish(subject, {}, question);
      const interval = startInterval(ASK_MS, ask);
      const timer = startTimer(options.joinTimeoutMs, () => reject(lateError(options, problem)));
      asking.signal.addEventListener("abort", () => {
        interval.cancel();
        timer.cancel();
      });
      signal.addEventListener("abort", () => reject(closedError()), { signal: asking.signal });
      if (signal.aborted) reject(closedError());
      ask();
    });
  } finally {
    asking.abort();
    await connection.close();
  }
}

function refusedError(text: string): SluiceError {
  return overlayStateError(`--rank=auto needs a NATS user with the rights of any rank: ${text}`, "EACCES");
}

function lateError({ instance, joinTimeoutMs }: AssignmentOptions, problem: string | undefined): SluiceError {
  if (problem !== undefined) return overlayStateError(problem, "EBUSY");
  const late = `rank 0 of instance ${instance} has not answered within ${joinTimeoutMs / 1000} s`;
  return overlayStateError(late, "EHOSTUNREACH");
}

function closedError(): SluiceError {
  return overlayStateError("the broker closed before it had joined", "ECANCELED");
}

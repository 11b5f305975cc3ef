import { fields, type Handle, type JsonValue, type Payload } from "../messages/index.js";
import type { OpenRequests, RankWaits, WaitedModule, WaitGraph } from "../waits/index.js";

/** The reports leave out a rank that does not answer in this time. */
const RANK_TIMEOUT_MS = 3000;

/** A rank that did not answer. */
export interface Unreachable {
  readonly rank: number;
  readonly reason: unknown;
}

/**
 * Requests from all ranks at once which units wait, and for which units.
 * @param name only the waits that it takes part in
 */
export async function lookAtWaits(
  handle: Handle,
  name?: string,
): Promise<{ readonly graph: WaitGraph; readonly unreachable: readonly Unreachable[] }> {
  const ranks = Array.from({ length: handle.size }, (_, rank) => rank);
  const settled = await Promise.allSettled(
    ranks.map((rank) => handle.rpc("broker.waits", undefined, { rank, timeoutMs: RANK_TIMEOUT_MS })),
  );
  const reports: RankWaits[] = [];
  const unreachable: Unreachable[] = [];
  settled.forEach((outcome, rank) => {
    if (outcome.status === "fulfilled") reports.push(reportOf(outcome.value));
    else unreachable.push({ rank, reason: outcome.reason });
  });
  const { waitGraph, waitsOf } = await import("../waits/index.js");
  const whole = waitGraph(reports);
  return { graph: name === undefined ? whole : waitsOf(whole, name), unreachable };
}

/** A graph for people. */
export async function linesOf(graph: WaitGraph, { size }: Handle): Promise<string[]> {
  const { waitLines } = await import("../waits/index.js");
  const lines = waitLines(graph, size > 1);
  return lines.length === 0 ? ["nothing waits"] : lines;
}

function reportOf(payload: Payload): RankWaits {
  const { rank, requests, modules } = fields(payload, {
    rank: "integer",
    requests: "array",
    modules: "array",
  });
  return { rank, requests: requests.map(requestOf), modules: modules.map(moduleOf) };
}

function requestOf(value: JsonValue): OpenRequests {
  const { target, ...request } = fields(value, {
    ...{ origin: "string", name: "string?", hops: "integer", topic: "string", about: "string?" },
    ...{ target: "object", count: "integer", seconds: "number", isStream: "boolean", isHeld: "boolean" },
  } as const);
  return { ...request, target: fields(target, { id: "string", name: "string", rank: "integer?" }) };
}

function moduleOf(value: JsonValue): WaitedModule {
  return fields(value, {
    ...{ uuid: "string", name: "string", state: "string", idleSeconds: "number", heldUnits: "string[]" },
  } as const);
}

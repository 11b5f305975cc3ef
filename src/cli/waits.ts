import { Command } from "commander";
import { messageOf } from "../errors/index.js";
import type { Handle, JsonValue } from "../messages/index.js";
import { sleep } from "../processes/index.js";
import type { WaitEdge, WaitGraph, WaitNode } from "../waits/index.js";
import { commandPrefix, ExitError, printJson, printLine, sayError } from "./terminal/output.js";
import { linesOf, lookAtWaits, type Unreachable } from "./wait-reports.js";
import { untilInterrupted, type UriOption, withInstance, withUri } from "./session.js";

/** The time between two checks of `-f`. */
const FOLLOW_MS = 1000;

interface WaitsOptions extends UriOption {
  readonly json?: boolean;
  readonly follow?: boolean;
}

export function command(): Command {
  return withUri(new Command("waits"))
    .argument("[name]", "show only waits of or for this client, module, unit or service")
    .option("--json", "one JSON object: {edges, chains, deadlocks, streams, unreachable}")
    .option("-f, --follow", "check once a second, and print the changes")
    .addHelpText("after", "\nExample:\n  sluice waits")
    .action(async (name: string | undefined, options: WaitsOptions) => {
      await withInstance(options, (handle) =>
        options.follow ? follow(handle, name, options) : once(handle, name, options),
      );
    });
}

async function once(handle: Handle, name: string | undefined, options: WaitsOptions): Promise<void> {
  const { graph, unreachable } = await lookAtWaits(handle, name);
  if (options.json) printJson(graphAsJson(graph, unreachable));
  else for (const line of await linesOf(graph, handle)) printLine(line);
  for (const { rank, reason } of unreachable) sayError(reason, `${commandPrefix()}: rank ${rank}`);
  if (unreachable.length > 0) throw new ExitError(1);
}

async function follow(handle: Handle, name: string | undefined, options: WaitsOptions): Promise<void> {
  let shown = "";
  await untilInterrupted(async (signal) => {
    while (!signal.aborted) {
      const { graph, unreachable } = await lookAtWaits(handle, name);
      const key = keyOf(graph, unreachable);
      if (key !== shown) {
        shown = key;
        if (options.json) printJson(graphAsJson(graph, unreachable));
        else (await linesOf(graph, handle)).forEach(printLine);
      }
      await sleep(FOLLOW_MS, signal);
    }
  });
}

/** The lines without the times. */
function keyOf({ chains, deadlocks }: WaitGraph, unreachable: readonly Unreachable[]): string {
  const shape = (edges: readonly WaitEdge[]): string[] =>
    edges.map(({ from, to, topic }) => `${from.id} ${topic} ${to.id} ${to.state ?? ""}`);
  return JSON.stringify([chains.map(shape), deadlocks.map(shape), unreachable.map(({ rank }) => rank)]);
}

function graphAsJson(
  { edges, chains, deadlocks, streams }: WaitGraph,
  unreachable: readonly Unreachable[],
): JsonValue {
  return {
    edges: edges.map(edgeAsJson),
    chains: chains.map((chain) => chain.map(edgeAsJson)),
    deadlocks: deadlocks.map((ring) => ring.map(edgeAsJson)),
    streams,
    unreachable: unreachable.map(({ rank, reason }) => ({ rank, error: messageOf(reason) })),
  };
}

function edgeAsJson({ from, to, topic, count, seconds, isHeld }: WaitEdge): JsonValue {
  return {
    from: nodeAsJson(from),
    to: nodeAsJson(to),
    topic,
    count,
    seconds: rounded(seconds),
    held: isHeld,
  };
}

function nodeAsJson({ name, rank, state, seconds }: WaitNode): JsonValue {
  return { name, rank: rank ?? null, ...(state !== undefined && { state, seconds: rounded(seconds ?? 0) }) };
}

/** To milliseconds. */
function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

import { Command, Option } from "commander";
import type { Handle } from "../messages/index.js";
import { sleep } from "../processes/index.js";
import { rankSetOf } from "../units/index.js";
import { positiveInteger, seconds, wholeNumber } from "./arguments.js";
import { commandPrefix, printJson, printLine, say, sayError, UsageError } from "./terminal/output.js";
import { type RankOptions, ranksIn, withRanks } from "./ranks/ranks.js";
import { withInstance } from "./session.js";

interface PingOptions extends RankOptions {
  readonly count?: number;
  readonly interval: number;
  readonly json?: boolean;
  /** Bytes of text in each request, which the answer brings back. */
  readonly pad?: number;
  readonly batch?: boolean;
}

export function command(): Command {
  return withRanks(new Command("ping"))
    .argument(
      "<service>",
      "module or service; RANK!NAME for one rank, RANK for its broker, upstream for the next broker towards rank 0",
    )
    .addOption(new Option("-c, --count <n>", "stop after this many requests").argParser(positiveInteger))
    .addOption(
      new Option("-i, --interval <seconds>", "pause between two requests").argParser(seconds).default(1, "1"),
    )
    .addOption(
      new Option("-p, --pad <n>", "add this many bytes to each request and answer").argParser(wholeNumber),
    )
    .option("-b, --batch", "send all requests before waiting for the first answer; needs --count")
    .option(
      "--json",
      "one JSON object for each answer: {seq, topic, timeMs}, and rank if the command names ranks",
    )
    .addHelpText(
      "after",
      "\nExample:\n  sluice ping -c 3 kvs\n  sluice ping -c 1 3!kvs\n  sluice ping -r all broker",
    )
    .action(ping);
}

async function ping(target: string, options: PingOptions): Promise<void> {
  if (options.batch === true && options.count === undefined) throw new UsageError("--batch needs --count");
  const { name, rank: set } = targetOf(target, options);
  const topic = `${name}.ping`;
  await withInstance(options, async (handle) => {
    const ranks = set === undefined ? [undefined] : set === "upstream" ? [set] : ranksIn(set, handle.size);
    if (options.batch) {
      const seqs = Array.from({ length: options.count ?? 0 }, (_, seq) => seq);
      await Promise.all(
        seqs.flatMap((seq) => ranks.map((rank) => pingOnce(handle, { topic, seq, rank }, options))),
      );
      return;
    }
    const interrupted = new AbortController();
    const onSignal = (): void => interrupted.abort();
    process.once("SIGINT", onSignal);
    const times: number[] = [];
    const count = options.count ?? Infinity;
    for (let seq = 0; seq < count; seq++) {
      if (seq > 0) {
        await sleep(options.interval * 1000, interrupted.signal).catch(ignoreAbort);
      }
      // One after the other: at the same time they would wait for each other, which the times would include.
      for (const rank of ranks) {
        if (interrupted.signal.aborted) break;
        times.push(...(await pingOnce(handle, { topic, seq, rank }, options, interrupted.signal)));
      }
      if (interrupted.signal.aborted) break;
    }
    process.off("SIGINT", onSignal);
    if (interrupted.signal.aborted) {
      if (times.length > 0) say(summary(times));
      process.exitCode = 130;
    }
  });
}

interface Ping {
  readonly topic: string;
  readonly seq: number;
  readonly rank: number | "upstream" | undefined;
}

interface Target {
  readonly name: string;
  readonly rank?: RankOptions["rank"] | "upstream";
}

/** The target of the ping: `NAME`, `RANK!NAME`, `RANK` for the broker itself, or `upstream`. */
function targetOf(text: string, options: PingOptions): Target {
  if (text === "upstream" && options.rank === undefined) return { name: "broker", rank: text };
  const parts = /^(\d{1,10})(?:!(.+))?$/.exec(text);
  if (parts === null) return { name: text, ...(options.rank !== undefined && { rank: options.rank }) };
  if (options.rank !== undefined) throw new UsageError(`name the rank once: as '${text}', or by --rank`);
  const [, rank = "", name = "broker"] = parts;
  return { name, rank: rankSetOf([Number(rank)]) };
}

/** @returns the milliseconds that it took; empty if it was interrupted, or a named rank failed, which it has reported */
async function pingOnce(
  handle: Handle,
  { topic, seq, rank }: Ping,
  { json, pad }: PingOptions,
  signal?: AbortSignal,
): Promise<readonly number[]> {
  const startedAtNs = process.hrtime.bigint();
  try {
    const payload = pad === undefined ? { seq } : { seq, pad: "p".repeat(pad) };
    await handle.rpc(topic, payload, { ...(rank !== undefined && { rank }), ...(signal && { signal }) });
  } catch (error) {
    if (signal?.aborted === true) return [];
    if (typeof rank !== "number") throw error;
    sayError(error, `${commandPrefix()}: rank ${rank}`);
    process.exitCode = 1;
    return [];
  }
  const timeMs = Number(process.hrtime.bigint() - startedAtNs) / 1e6;
  if (json) printJson({ ...(rank !== undefined && { rank }), seq, topic, timeMs });
  else {
    const where = rank === undefined ? "" : `${rank}!`;
    const padding = pad === undefined ? "" : ` pad=${pad}`;
    printLine(`${where}${topic}${padding} seq=${seq} time=${timeMs.toFixed(3)} ms`);
  }
  return [timeMs];
}

function summary(times: readonly number[]): string {
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  return `${times.length} answered, min/mean/max ${Math.min(...times).toFixed(3)}/${mean.toFixed(3)}/${Math.max(...times).toFixed(3)} ms`;
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === "AbortError")) throw error;
}

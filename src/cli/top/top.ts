import { Command, InvalidArgumentError, Option } from "commander";
import { positiveInteger, seconds } from "../arguments.js";
import type { NodeId } from "../../messages/index.js";
import { type RankOptions, ranksIn, withRanks } from "../ranks/ranks.js";
import { printJson, printLine } from "../terminal/output.js";
import { untilInterrupted, withInstance } from "../session.js";
import { type Sample, Sampler } from "./sample.js";
import { type Sort, SORT_NAMES, sampleLines } from "./table.js";

interface TopOptions extends RankOptions {
  readonly batch?: boolean;
  readonly iterations?: number;
  /** Seconds. */
  readonly interval: number;
  readonly sort: Sort;
  readonly json?: boolean;
}

export function command(): Command {
  return withRanks(new Command("top"))
    .option("-b, --batch", "print one table after the other, for pipes and files")
    .addOption(new Option("-n, --iterations <n>", "end after this many tables").argParser(positiveInteger))
    .addOption(
      new Option("-i, --interval <seconds>", "time between two updates").argParser(interval).default(1, "1"),
    )
    .addOption(
      new Option("-s, --sort <by>", "the column that sorts the table").choices(SORT_NAMES).default("load"),
    )
    .option(
      "--json",
      "one JSON object for each update and rank: {time, broker, modules}; rates are per second",
    )
    .addHelpText(
      "after",
      "\nNot on a terminal, and without --batch or --iterations, the command prints one table. The first rates are means since the\nstart of each module. Keys: q quits, R reverses, and the keys at the bottom of the screen sort.\nWith -r RANKS a terminal shows the modules of all these ranks in one table; elsewhere each rank has a table.\n'Rst' counts restarts. 'Health' is '-' for a module that has neither a watchdog nor the probe 'alive'." +
        "\n\nExample:\n  sluice top --sort rx\n  sluice top --batch -n 10 > top.txt",
    )
    .action(top);
}

async function top(options: TopOptions): Promise<void> {
  const { batch, json, sort } = options;
  const isLive = process.stdout.isTTY && !batch && !json;
  const iterations = options.iterations ?? (isLive || batch ? Infinity : 1);
  const intervalMs = options.interval * 1000;
  await withInstance(options, async (handle) => {
    const ranks: readonly NodeId[] =
      options.rank === undefined ? ["any"] : ranksIn(options.rank, handle.size);
    const samplers = ranks.map((rank) => new Sampler(handle, { rank, periodMs: intervalMs }));
    if (isLive) {
      // The import is here, because only a terminal needs the code that draws.
      const { runScreen } = await import("./screen.js");
      const feeds = samplers.map((sampler, at) => {
        const rank = ranks[at];
        return { rank: typeof rank === "number" ? rank : handle.rank, sampler };
      });
      process.exitCode = await runScreen(feeds, { iterations, periodMs: intervalMs, sort });
      return;
    }
    await untilInterrupted(async (signal) => {
      for (let n = 0; n < iterations; n++) {
        const samples = await Promise.all(samplers.map((one) => one.next(signal)));
        for (const [at, sample] of samples.entries()) {
          if (json) printJson(sample);
          else printSample(sample, sort, n > 0 || at > 0);
        }
      }
    });
  });
}

function printSample(sample: Sample, sort: Sort, isFurther: boolean): void {
  const { head, rows } = sampleLines(sample, { sort, isReversed: false });
  const texts = rows.map(({ text }) => text);
  for (const line of [...(isFurther ? [""] : []), ...head, ...texts]) printLine(line);
}

/** A shorter interval would mostly show the load of top itself. */
const SHORTEST_INTERVAL_SECONDS = 0.1;

function interval(text: string): number {
  const value = seconds(text);
  if (value < SHORTEST_INTERVAL_SECONDS) {
    throw new InvalidArgumentError(`must be at least ${SHORTEST_INTERVAL_SECONDS}.`);
  }
  return value;
}

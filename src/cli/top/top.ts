import { Command, InvalidArgumentError, Option } from "commander";
import { sleep } from "../../processes/index.js";
import { positiveInteger, seconds } from "../arguments.js";
import { printJson, printLine } from "../terminal/output.js";
import { untilInterrupted, withInstance, withUri } from "../session.js";
import { type Sample, Sampler } from "./sample.js";
import { type Sort, SORT_NAMES, sampleLines } from "./table.js";

interface TopOptions {
  readonly uri?: string;
  readonly batch?: boolean;
  readonly iterations?: number;
  /** Seconds. */
  readonly interval: number;
  readonly sort: Sort;
  readonly json?: boolean;
}

export function command(): Command {
  return withUri(new Command("top"))
    .option("-b, --batch", "print one table after the other, for pipes and files")
    .addOption(new Option("-n, --iterations <n>", "end after this many").argParser(positiveInteger))
    .addOption(
      new Option("-i, --interval <seconds>", "from one look to the next").argParser(interval).default(1, "1"),
    )
    .addOption(new Option("-s, --sort <by>", "what to sort by").choices(SORT_NAMES).default("load"))
    .option("--json", "one JSON object a look: {time, broker, modules}; rates are per second")
    .addHelpText(
      "after",
      "\nNot on a terminal, and without --batch or --iterations, it looks once. The first rates are means since the\nstart of each module. Keys: q quits, R reverses, and those at the bottom of the screen sort." +
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
    const sampler = new Sampler(handle);
    if (isLive) {
      // What draws on terminals is loaded only on one.
      const { runScreen } = await import("./screen.js");
      process.exitCode = await runScreen(sampler, { intervalMs, iterations, sort });
      return;
    }
    await untilInterrupted(async (signal) => {
      for (let n = 0; n < iterations; n++) {
        if (n > 0) await sleep(intervalMs, signal);
        const sample = await sampler.next(signal);
        if (json) printJson(sample);
        else printSample(sample, sort, n > 0);
      }
    });
  });
}

function printSample(sample: Sample, sort: Sort, isFurther: boolean): void {
  const { head, rows } = sampleLines(sample, { sort, isReversed: false });
  for (const line of [...(isFurther ? [""] : []), ...head, ...rows]) printLine(line);
}

/** More often would mostly show what top itself does. */
const SHORTEST_INTERVAL_SECONDS = 0.1;

function interval(text: string): number {
  const value = seconds(text);
  if (value < SHORTEST_INTERVAL_SECONDS) {
    throw new InvalidArgumentError(`must be at least ${SHORTEST_INTERVAL_SECONDS}.`);
  }
  return value;
}

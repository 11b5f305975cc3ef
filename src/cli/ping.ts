import { setTimeout as sleep } from "node:timers/promises";
import { Command, Option } from "commander";
import { positiveInteger, seconds } from "./arguments.js";
import { printJson, printLine, say } from "./output.js";
import { withInstance, withUri } from "./session.js";

interface PingOptions {
  readonly uri?: string;
  readonly count?: number;
  readonly interval: number;
  readonly json?: boolean;
}

export function command(): Command {
  return withUri(new Command("ping"))
    .argument("<service>", "module or service; NAME.METHOD is not needed")
    .addOption(new Option("-c, --count <n>", "stop after this many").argParser(positiveInteger))
    .addOption(new Option("-i, --interval <seconds>", "pause between two").argParser(seconds).default(1, "1"))
    .option("--json", "one JSON object a line: {seq, topic, timeMs}")
    .addHelpText("after", "\nExample:\n  sluice ping -c 3 kvs")
    .action(ping);
}

async function ping(name: string, options: PingOptions): Promise<void> {
  const topic = `${name}.ping`;
  await withInstance(options, async (handle) => {
    const interrupted = new AbortController();
    const onSignal = (): void => interrupted.abort();
    process.once("SIGINT", onSignal);
    const times: number[] = [];
    const count = options.count ?? Infinity;
    for (let seq = 0; seq < count; seq++) {
      if (seq > 0) {
        await sleep(options.interval * 1000, undefined, { signal: interrupted.signal }).catch(ignoreAbort);
      }
      if (interrupted.signal.aborted) break;
      const startedAtNs = process.hrtime.bigint();
      await handle.rpc(topic, { seq });
      const timeMs = Number(process.hrtime.bigint() - startedAtNs) / 1e6;
      times.push(timeMs);
      if (options.json) printJson({ seq, topic, timeMs });
      else printLine(`${topic} seq=${seq} time=${timeMs.toFixed(3)} ms`);
    }
    process.off("SIGINT", onSignal);
    if (interrupted.signal.aborted) {
      if (times.length > 0) say(summary(times));
      process.exitCode = 130;
    }
  });
}

function summary(times: readonly number[]): string {
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  return `${times.length} answered, min/mean/max ${Math.min(...times).toFixed(3)}/${mean.toFixed(3)}/${Math.max(...times).toFixed(3)} ms`;
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === "AbortError")) throw error;
}

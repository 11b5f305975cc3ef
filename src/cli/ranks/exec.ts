import { resolve } from "node:path";
import { Command, Option } from "commander";
import { ALL_RANKS, type RankSet } from "../../units/index.js";
import { commandPrefix, ExitError, say } from "../terminal/output.js";
import { rankOutput } from "./rank-output.js";
import { rankOption, ranksIn, without } from "./ranks.js";
import { EX_NOHOST, failureLines, highestStatus, runOnRanks } from "./run-on-ranks.js";
import { withInstance, withUri } from "../session.js";

interface ExecOptions {
  readonly uri?: string;
  readonly rank: RankSet;
  readonly exclude?: RankSet;
  readonly labelIo?: boolean;
  /** The spellings of older versions of `flux exec`. */
  readonly labelio?: boolean;
  readonly noinput?: boolean;
  readonly dir?: string;
  /** False with `--no-input`. */
  readonly input: boolean;
  readonly verbose?: boolean;
}

export function command(): Command {
  return withUri(new Command("exec"))
    .argument("<command...>", "a program and its arguments, which run without a shell")
    .passThroughOptions()
    .addOption(rankOption("run on these ranks: 0-3,7 or all").default(ALL_RANKS, "all"))
    .addOption(rankOption("do not run on these ranks", "-x, --exclude <ranks>"))
    .option("-l, --label-io", "begin each line with its rank: '3: text'")
    .option("-d, --dir <path>", "run in this directory (default: the current one)")
    .option("-n, --no-input", "do not pass on standard input; the input of the commands is empty")
    .addOption(new Option("--labelio", "as --label-io").hideHelp())
    .addOption(new Option("--noinput", "as --no-input").hideHelp())
    .option("-v, --verbose", "show each start and end of the command, with the rank")
    .addHelpText(
      "after",
      `
Exits with the highest status of all ranks. 128+N: ended by signal N; 127: not found; 126: not executable;
68: the rank is unreachable.

Example:
  sluice exec -l -r 0-3 uptime
  sluice exec -r all sh -c 'df . | tail -1'`,
    )
    .action(exec);
}

async function exec(words: readonly string[], options: ExecOptions): Promise<void> {
  await withInstance(options, async (handle) => {
    const ranks = without(ranksIn(options.rank, handle.size, EX_NOHOST), options.exclude);
    if (ranks.length === 0) throw new ExitError(1, "--exclude leaves no rank to run the command on");
    const { labelIo, labelio, input, noinput, verbose } = options;
    const hasLabels = labelIo === true || labelio === true;
    const report = (text: string): void => say(`${commandPrefix()}: ${text}`);
    const ends = await runOnRanks(handle, {
      command: words,
      ranks,
      cwd: resolve(options.dir ?? ""),
      env: process.env,
      input: input && !noinput ? process.stdin : undefined,
      outputOf: (rank) => {
        const lines = hasLabels ? { label: `${rank}: ` } : ranks.length > 1 ? {} : undefined;
        return rankOutput({ stdout: lines, stderr: lines });
      },
      say: report,
      ...(verbose && { verbose }),
    });
    failureLines(ends).forEach(report);
    process.exitCode = highestStatus(ends);
  });
}

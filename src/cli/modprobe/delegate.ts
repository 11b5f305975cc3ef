import { NODE_COMMAND } from "../../processes/index.js";
import type { RankSet } from "../../units/index.js";
import { commandPrefix, ExitError, printJson, say } from "../terminal/output.js";
import { finishWithoutReader } from "../terminal/output-stream.js";
import { gatheredOutput, type Gathering, rankOutput, type RankOutput } from "../ranks/rank-output.js";
import { ranksIn } from "../ranks/ranks.js";
import { highestStatus, runOnRanks } from "../ranks/run-on-ranks.js";
import { withInstance } from "../session.js";
import { PACKAGE_ROOT } from "../version.js";

/**
 * Runs the command line of this process on each rank.
 * @returns `own rank` if that is the only rank, and the caller has to do the work
 * @throws ExitError with the highest status of all ranks if one failed
 */
export function doOnRanks(
  options: { readonly uri?: string },
  set: RankSet,
  gathering: Gathering,
): Promise<"done" | "own rank"> {
  return withInstance(options, async (handle) => {
    const ranks = ranksIn(set, handle.size);
    if (ranks.length === 1 && ranks[0] === handle.rank) return "own rank";
    finishWithoutReader();
    const outputs = new RankOutputs(ranks, gathering);
    const ends = await runOnRanks(handle, {
      command: sameCommand(),
      ranks,
      cwd: process.cwd(),
      env: process.env,
      outputOf: (rank) => outputs.of(rank),
      say: (text) => say(`${commandPrefix()}: ${text}`),
    });
    outputs.print();
    const status = highestStatus(ends);
    if (status !== 0) throw new ExitError(status);
    return "done";
  });
}

/** The command line of this process, for a rank that is to run it. */
export function sameCommand(): string[] {
  // The names of the command and of its subcommand come before all options.
  const [, , ...words] = process.argv;
  return [
    ...NODE_COMMAND,
    `${PACKAGE_ROOT}dist/cli/main.cjs`,
    ...words.slice(0, 2),
    "--here",
    ...words.slice(2),
  ];
}

class RankOutputs {
  readonly #hasMany: boolean;
  readonly #gathering: Gathering;
  readonly #gathered = new Map<number, readonly Buffer[]>();

  constructor(ranks: readonly number[], gathering: Gathering) {
    this.#hasMany = ranks.length > 1;
    this.#gathering = gathering;
  }

  of(rank: number): RankOutput {
    const label = `rank ${rank}: `;
    if (!this.#hasMany) return rankOutput({ stderr: { label } });
    if (this.#gathering === "lines") return rankOutput({ stdout: { label }, stderr: { label } });
    const pieces: Buffer[] = [];
    this.#gathered.set(rank, pieces);
    return gatheredOutput(pieces, { label });
  }

  /** The collected results, if any; failed ranks printed nothing. */
  print(): void {
    const texts = [...this.#gathered].map(
      ([rank, pieces]) => [rank, Buffer.concat(pieces).toString("utf8")] as const,
    );
    const values = texts
      .filter(([, text]) => text !== "")
      .map(([rank, text]) => [rank, JSON.parse(text)] as const);
    if (values.length > 0) printJson(Object.fromEntries(values));
  }
}

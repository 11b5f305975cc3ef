import { type Command, Option } from "commander";
import type { RankSet } from "../../units/index.js";
import type { Gathering } from "../ranks/rank-output.js";
import { rankOption } from "../ranks/ranks.js";

/** The ranks of an instance on which a command is to do its work. */
export interface OnRanksOptions {
  readonly uri?: string;
  readonly onRanks?: RankSet;
  /** Whether this process does the work on one of these ranks. */
  readonly here?: boolean;
}

/** Adds `-r`. */
export function withOnRanks(command: Command): Command {
  return command
    .addOption(
      rankOption(
        "run the command on these ranks, each with its own facts: 0-3,7 or all",
        "-r, --on-ranks <ranks>",
      ),
    )
    .addOption(new Option("--here", "whatever -r and --uri say").hideHelp());
}

/**
 * Runs it here; or, with `-r`, has each of those ranks run it. There it is the same command in a process of
 * its own. So it makes plans by the rank's own facts and files. Rc files and tasks run where they belong.
 * @throws ExitError with the highest status of all ranks if one failed, after each has printed the reason
 */
export async function hereOrOnRanks(
  options: OnRanksOptions,
  doHere: () => Promise<void>,
  gathering: Gathering = "lines",
): Promise<void> {
  const { onRanks, here } = options;
  if (onRanks === undefined || here) {
    await doHere();
    return;
  }
  // Loaded only by commands that send requests to other ranks.
  const { doOnRanks } = await import("./delegate.js");
  if ((await doOnRanks(options, onRanks, gathering)) === "own rank") await doHere();
}

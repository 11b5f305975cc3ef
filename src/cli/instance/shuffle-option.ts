import { type Command, InvalidArgumentError, Option } from "commander";
import { messageOf } from "../../errors/index.js";
import { readShuffle } from "../../instance/read-shuffle.js";
import type { Shuffle } from "../../run/index.js";

export interface ShuffleOption {
  readonly shuffle?: Shuffle;
}

/** Adds `--shuffle` (docs/design/planning.md §7). */
export function withShuffle(command: Command): Command {
  return command.addOption(
    new Option(
      "--shuffle <seed>",
      "start ready units in an order from a seed, or from @FILE with one name on each line; one at a time",
    ).argParser(shuffle),
  );
}

function shuffle(text: string): Shuffle {
  try {
    return readShuffle(text);
  } catch (error) {
    throw new InvalidArgumentError(`${messageOf(error)}.`);
  }
}

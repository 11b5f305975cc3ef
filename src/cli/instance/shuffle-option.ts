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
      "take ready units in the order that a seed gives, or @FILE with a name a line; one at a time",
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

import { Command } from "commander";

/** The words of a command line after a command, or `all` for every command. */
export type Words = readonly string[] | "all";

/** Makes the whole command line again, for the few commands that are about it. */
export type MakeProgram = (words: Words) => Promise<Command>;

/** A command that is loaded only when the user names it, so that `sluice modprobe show` does not load the broker. */
export interface LazyCommand {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Hidden in lists of commands. */
  readonly hidden?: boolean;
  readonly load: () => Promise<{
    readonly command: (words: Words, program: MakeProgram) => Command | Promise<Command>;
  }>;
}

/**
 * Adds the command that the first word names; without one, the names and summaries of all, for help. `help NAME` also
 * names a command.
 */
export async function addCommands(
  parent: Command,
  commands: readonly LazyCommand[],
  words: Words,
  program: MakeProgram,
): Promise<Command> {
  const below = words === "all" || words[0] !== "help" ? words : words.slice(1);
  const wanted = below === "all" ? commands : commands.filter((command) => isCalled(command, below[0]));
  const rest = below === "all" ? below : below.slice(1);
  for (const lazy of wanted.length === 0 ? commands : wanted) {
    const { name, aliases = [], summary, hidden = false, load } = lazy;
    const command = wanted.length === 0 ? new Command(name) : await (await load()).command(rest, program);
    parent.addCommand(command.summary(summary).description(summary).aliases(aliases), { hidden });
  }
  return parent;
}

function isCalled({ name, aliases = [] }: LazyCommand, word: string | undefined): boolean {
  return word !== undefined && (name === word || aliases.includes(word));
}

import { Command } from "commander";

/** A command that is loaded only when it is the one: `sluice modprobe show` must not pay for the broker. */
export interface LazyCommand {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: () => Command | Promise<Command> }>;
}

/** The word at a place of the command line at which a command is named; `help NAME` names one too. */
export function commandWord(at: number): string | undefined {
  return process.argv[process.argv[at] === "help" ? at + 1 : at];
}

/**
 * Adds the command that the word on the command line names; without one, the names and summaries of all, for help.
 * @param word what stands where the command's name is to be
 */
export async function addCommands(
  parent: Command,
  commands: readonly LazyCommand[],
  word: string | undefined,
): Promise<Command> {
  const wanted = commands.find(
    ({ name, aliases }) => name === word || aliases?.includes(word ?? "") === true,
  );
  const shown = wanted === undefined ? commands : [wanted];
  for (const { name, aliases = [], summary, load } of shown) {
    const command = wanted === undefined ? new Command(name) : await (await load()).command();
    parent.addCommand(command.summary(summary).description(summary).aliases(aliases));
  }
  return parent;
}

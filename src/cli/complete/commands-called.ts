import type { Command } from "commander";
import type { MakeProgram } from "../lazy.js";

/**
 * The commands below a command that have a name, such as `modprobe explain` for `explain`.
 * @param program makes the command line for the given words
 */
export async function commandsCalled(name: string, program: MakeProgram): Promise<string[]> {
  const below = (parent: Command, path: readonly string[]): string[] =>
    parent.commands.flatMap((command) => {
      const words = [...path, command.name()];
      const isCalled = command.name() === name || command.aliases().includes(name);
      return [...(isCalled ? [words.join(" ")] : []), ...below(command, words)];
    });
  return below(await program("all"), []);
}

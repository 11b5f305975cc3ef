import { type Command, CommanderError, InvalidArgumentError } from "commander";
import { commandPrefix, ExitError, say, sayError, UsageError } from "./terminal/output.js";
import { outliveListener, watchOutput } from "./terminal/output-stream.js";

/**
 * Parses the command line, runs the command and sets the exit status: 0 done, 1 it failed or was refused, 2 wrong
 * usage (docs/design/cli.md §1).
 * @param meant commands that the user may have meant, if the first word is not a command
 */
export async function runProgram(program: Command, meant: readonly string[] = []): Promise<void> {
  watchOutput();
  outliveListener();
  configure(program, meant);
  let running = program;
  program.hook("preAction", (_, command) => void (running = command));
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = report(error, running);
  }
}

/** Status 2, unless 2 means a difference for this command (docs/design/programs.md §3). */
function wrongUsage(): number {
  return process.argv.includes("--detailed-exitcode") ? 1 : 2;
}

function configure(command: Command, meant: readonly string[] = []): void {
  command
    .exitOverride()
    .showHelpAfterError(usageOf(command))
    .configureOutput({
      outputError: (text, write) => write(withMeant(text, meant).replace(/^error: /, prefixOf(command))),
    });
  for (const child of command.commands) configure(child);
}

/** Commander suggests commands by spelling; a command of this very name is the better suggestion. */
function withMeant(text: string, meant: readonly string[]): string {
  if (meant.length === 0 || !text.startsWith("error: unknown command")) return text;
  const [first = ""] = text.split("\n");
  return `${first}\n(Did you mean ${meant.length === 1 ? "" : "one of "}${meant.join(", ")}?)\n`;
}

/** The message after a wrong command line: the usage of the command, and how to get the help. */
function usageOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
  return `Usage: ${names.join(" ")} ${command.usage()}\nsee '${names.join(" ")} --help'`;
}

function prefixOf(command: Command): string {
  return `${commandPath(command)}: `;
}

/** `sluice-modprobe` for every subcommand of `modprobe`. */
function commandPath(command: Command): string {
  let at = command;
  while (at.parent?.parent) at = at.parent;
  return at.parent === null ? at.name() : `${at.parent.name()}-${at.name()}`;
}

function report(error: unknown, running: Command): number {
  if (error instanceof UsageError || error instanceof InvalidArgumentError) {
    // Commander has not printed the mistake, because the command itself found it.
    say(`${commandPath(running)}: ${error.message}\n${usageOf(running)}`);
    return wrongUsage();
  }
  if (error instanceof CommanderError) {
    // Commander has printed the error. A request for help succeeds. Any other error of commander is wrong usage.
    return error.exitCode === 0 ? 0 : wrongUsage();
  }
  const prefix = commandPrefix();
  if (error instanceof ExitError) {
    if (error.message !== "") say(`${prefix}: ${error.message}`);
    return error.status;
  }
  sayError(error, prefix);
  return 1;
}

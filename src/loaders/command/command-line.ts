import { findCommand } from "../../processes/index.js";
import { SluiceError } from "../../errors/index.js";
import type { CommandLine } from "../program-options.js";

/** The executed command. */
export interface Executable {
  /** Absolute path. */
  readonly file: string;
  readonly args: readonly string[];
}

interface CommandPlace {
  /** Absolute; relative programs count from it. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * The executed form of a unit's command: a shell line by `bash -c`, or `sh -c` without bash, or an argv.
 * @param more arguments to append; for a shell line, as quoted words
 * @throws SluiceError `LOAD_FAILED` with `ENOENT` or `EACCES`
 */
export async function executableOf(
  command: CommandLine,
  { directory, env }: CommandPlace,
  more: readonly string[] = [],
): Promise<Executable> {
  const path = env["PATH"];
  if (typeof command === "string") {
    const line = [command, ...more.map(quotedWord)].join(" ");
    return { file: await shell(path), args: ["-c", line] };
  }
  const [program = "", ...args] = command;
  return { file: await findCommand(program, path, directory), args: [...args, ...more] };
}

async function shell(path: string | undefined): Promise<string> {
  try {
    return await findCommand("bash", path);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return findCommand("/bin/sh", path);
  }
}

function quotedWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

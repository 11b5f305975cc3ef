import type { Command } from "commander";
import { createFileGuard, type FileGuard, INSECURE } from "../units/index.js";

/** The flag of every command that reads or runs files that others may have written. */
export interface InsecureOption {
  readonly insecure?: boolean;
}

/** Adds `--insecure`. */
export function withInsecure(command: Command): Command {
  return command.option("--insecure", "use files and directories even if other users may write to them");
}

/** The guard for the files of one command. */
export function guardFor({ insecure }: InsecureOption): FileGuard {
  return insecure === true ? INSECURE : createFileGuard();
}

import { type Command, InvalidArgumentError, Option } from "commander";
import type { LogRotation } from "../../broker/index.js";
import { parseSize } from "../../units/index.js";
import { wholeNumber } from "../arguments.js";
import { UsageError } from "../terminal/output.js";

/** The flags of a log in a file (docs/design/programs.md §1). */
export interface LogOptions {
  readonly logFile?: string;
  /** In bytes. */
  readonly logFileMax?: number;
  readonly logFileKeep?: number;
}

/** The default number of older files. */
const KEEP = 4;

/** Adds `--log-file`, `--log-file-max` and `--log-file-keep`. */
export function withLogFile(command: Command): Command {
  return command
    .option("--log-file <file>", "append the log to this file, one JSON object for each line")
    .addOption(
      new Option(
        "--log-file-max <size>",
        "move the log to FILE.1, and so on, when it is this large (default: never)",
      ).argParser(size),
    )
    .addOption(
      new Option("--log-file-keep <n>", `keep so many older files (default: ${KEEP})`).argParser(wholeNumber),
    );
}

function size(text: string): number {
  const parsed = parseSize(text);
  if (parsed.ok && parsed.value.value > 0) return parsed.value.value;
  throw new InvalidArgumentError("write a size such as 64MiB.");
}

/**
 * The limits at which the file is moved away; undefined: never.
 * @throws UsageError without `--log-file`
 */
export function rotationOf({ logFile, logFileMax, logFileKeep }: LogOptions): LogRotation | undefined {
  if (logFile === undefined && (logFileMax ?? logFileKeep) !== undefined) {
    throw new UsageError("--log-file-max and --log-file-keep go with --log-file");
  }
  return logFileMax === undefined ? undefined : { maxBytes: logFileMax, keep: logFileKeep ?? KEEP };
}

/** The same flags for a broker. */
export function logFlags({ logFile, logFileMax, logFileKeep }: LogOptions): string[] {
  return [
    ...(logFile === undefined ? [] : [`--log-file=${logFile}`]),
    ...(logFileMax === undefined ? [] : [`--log-file-max=${logFileMax}B`]),
    ...(logFileKeep === undefined ? [] : [`--log-file-keep=${logFileKeep}`]),
  ];
}

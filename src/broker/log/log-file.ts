import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import type * as Pino from "pino";
import { errnumOf, SluiceError, systemMessage } from "../../errors/index.js";
import type { LogLevel } from "../../messages/index.js";
import type { LogEntry } from "./log-ring.js";

/** A log that is written to a file (docs/design/instance.md §3). */
export interface LogFile {
  /** Appends a line. The kernel has it when this returns, so that a crash takes nothing with it. */
  write(entry: LogEntry): void;
  close(): void;
}

/** Where a log is written, and what is called when that fails. */
export interface LogFileOptions {
  readonly path: string;
  /** Rank of the broker whose log it is. */
  readonly rank: number;
  /** Called when lines cannot be written, such as on a full disk; again only after a line was written in between. */
  readonly onError: (error: SluiceError) => void;
}

/** What a file that cannot be written to may keep waiting; lines beyond are lost. */
const BUFFER_BYTES = 1024 * 1024;

/**
 * Opens a log file, made with the mode 0600 if it is missing: one JSON object a line with `level`, `time` (seconds since 1970), `name`,
 * `rank` and `text`. It is only ever appended to, so that the ranks of one machine may share it, and so that a tool such
 * as logrotate may cut it (`copytruncate`).
 * @throws SluiceError `BROKER_STATE` if it cannot be opened
 */
export function openLogFile({ path, rank, onError }: LogFileOptions): LogFile {
  // Loaded only when a log file is asked for.
  const { pino, destination } = createRequire(import.meta.url)("pino") as typeof Pino;
  let file: ReturnType<typeof destination>;
  try {
    file = destination({ dest: openForLog(path), sync: true, maxLength: BUFFER_BYTES });
  } catch (cause) {
    throw fileError(`log file ${path} cannot be opened`, cause);
  }
  let isFailing = false;
  file.on("write", () => (isFailing = false));
  file.on("error", (cause: unknown) => {
    if (isFailing) return;
    isFailing = true;
    onError(fileError(`log file ${path} cannot be written`, cause));
  });
  const logger = pino<LogLevel>(
    {
      base: null,
      timestamp: false,
      customLevels: PINO_LEVELS,
      useOnlyCustomLevels: true,
      level: "debug",
      messageKey: "text",
      formatters: { level: (level) => ({ level }) },
    },
    file,
  );
  return {
    write: ({ time, level, name, text }) => logger[level]({ time, name, rank }, text),
    close: () => file.end(),
  };
}

/** Opens a file that only its owner can read, if it is made here. */
function openForLog(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) throw new Error("is not a regular file");
  // Opening a named pipe that comes meanwhile would otherwise wait for a reader.
  const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o600);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new Error("is not a regular file");
}

/** The graver the larger, as pino wants it. */
const PINO_LEVELS: Readonly<Record<LogLevel, number>> = {
  debug: 10,
  info: 20,
  notice: 30,
  warning: 40,
  err: 50,
  crit: 60,
  alert: 70,
  emerg: 80,
};

function fileError(what: string, cause: unknown): SluiceError {
  const options = { cause, errnum: errnumOf(cause) };
  return new SluiceError("BROKER_STATE", `${what}: ${systemMessage(cause)}`, options);
}

import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import type * as Pino from "pino";
import { errnumOf, SluiceError, systemMessage } from "../../errors/index.js";
import type { LogLevel } from "../../messages/index.js";
import type { LogEntry } from "./log-ring.js";
import { type LogRotation, rotate } from "./rotation.js";

/** A log in a file (docs/design/instance.md §3). */
export interface LogFile {
  /** Appends a line. When this returns the kernel has the line, so that a crash does not lose it. */
  write(entry: LogEntry): void;
  /**
   * Continues in the file that has the path now, and makes it if it is missing. The log no longer uses the file that
   * was moved away.
   */
  reopen(): void;
  /** The bytes that this rank has written, and the bytes removed with the oldest files. */
  readonly sizes: { readonly writtenBytes: number; readonly droppedBytes: number };
  close(): void;
}

/** The path of a log, and the callback for write errors. */
export interface LogFileOptions {
  readonly path: string;
  /** Rank of the broker that writes the log. */
  readonly rank: number;
  /** Default: no limit. */
  readonly rotation?: LogRotation | undefined;
  /**
   * Called when lines cannot be written, for example on a full disk. It is called again only after a line was written
   * in between.
   */
  readonly onError: (error: SluiceError) => void;
}

/** The limit of waiting lines for an unwritable file. Further lines are lost. */
const BUFFER_BYTES = 1024 * 1024;

/**
 * Opens a log file, and makes it with the mode 0600 if it is missing. It has one JSON object a line with `level`,
 * `time` (seconds since 1970), `name`, `rank` and `text`. All writers only append to it, so that the ranks of one
 * machine may share it. A tool such as logrotate may also cut it (`copytruncate`).
 * @throws SluiceError `BROKER_STATE` if it cannot be opened
 */
export function openLogFile(options: LogFileOptions): LogFile {
  return new RotatedLogFile(options);
}

/** How many times, while a file fills up, the log checks whether another rank has moved or filled it. */
const LOOKS = 64;

class RotatedLogFile implements LogFile {
  readonly #options: LogFileOptions;
  #part: LogPart;
  #isFailing = false;
  /** The bytes to write until the next check of the file. */
  #untilLook = 0;
  readonly sizes = { writtenBytes: 0, droppedBytes: 0 };

  constructor(options: LogFileOptions) {
    this.#options = options;
    this.#part = this.#open();
    this.#look();
  }

  write({ time, level, name, text }: LogEntry): void {
    if (this.#untilLook < 0) this.#look();
    this.#part.logger[level]({ time, name, rank: this.#options.rank }, text);
  }

  reopen(): void {
    try {
      const next = this.#open();
      this.close();
      this.#part = next;
    } catch (error) {
      // It continues in the present file.
      this.#failed(error);
    }
  }

  close(): void {
    this.#part.file.end();
  }

  /** Moves the file away if it is full. If another file now has the path, continues in that file. */
  #look(): void {
    const { path, rotation } = this.#options;
    if (rotation === undefined) {
      this.#untilLook = Infinity;
      return;
    }
    try {
      if (fstatSync(this.#part.fd).size >= rotation.maxBytes && this.#isThere()) {
        this.sizes.droppedBytes += rotate(path, rotation, () => this.#isThere()) ?? 0;
      }
      if (!this.#isThere()) this.reopen();
      const left = rotation.maxBytes - fstatSync(this.#part.fd).size;
      this.#untilLook = Math.min(Math.max(0, left), Math.ceil(rotation.maxBytes / LOOKS));
    } catch (error) {
      this.#untilLook = rotation.maxBytes / LOOKS;
      this.#failed(error);
    }
  }

  /** Whether the open file is the one at the path. */
  #isThere(): boolean {
    const now = statSync(this.#options.path, { throwIfNoEntry: false });
    const own = fstatSync(this.#part.fd);
    return now?.ino === own.ino && now.dev === own.dev;
  }

  #failed(cause: unknown): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#options.onError(fileError(`cannot write log file ${this.#options.path}`, cause));
  }

  /** @throws SluiceError `BROKER_STATE` if it cannot be opened */
  #open(): LogPart {
    const { path } = this.#options;
    try {
      const part = openPart(openForLog(path));
      part.file.on("write", (bytes: unknown) => this.#wrote(Number(bytes)));
      part.file.on("error", (cause: unknown) => this.#failed(cause));
      return part;
    } catch (cause) {
      throw fileError(`cannot open log file ${path}`, cause);
    }
  }

  #wrote(bytes: number): void {
    this.#isFailing = false;
    this.#untilLook -= bytes;
    this.sizes.writtenBytes += bytes;
  }
}

/** One open file, and the logger that makes lines for it. */
interface LogPart {
  readonly fd: number;
  readonly file: ReturnType<typeof Pino.destination>;
  readonly logger: Pino.Logger<LogLevel>;
}

function openPart(fd: number): LogPart {
  // Loaded only if the user requests a log file.
  const { pino, destination } = createRequire(import.meta.url)("pino") as typeof Pino;
  const file = destination({ dest: fd, sync: true, maxLength: BUFFER_BYTES });
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
  return { fd, file, logger };
}

/** Opens a file. If it makes the file, only the owner can read it. */
function openForLog(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) throw new Error("is not a regular file");
  // If a named pipe takes the place of the file meanwhile, opening it would otherwise wait for a reader.
  const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o600);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new Error("is not a regular file");
}

/** More severe levels have larger numbers, as in pino. */
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

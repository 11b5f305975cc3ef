import type { ChildProcessByStdio } from "node:child_process";
import { stat } from "node:fs/promises";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { errnumOf, requestError, SluiceError, systemMessage } from "../../errors/index.js";
import type { OutputStream } from "../../messages/index.js";
import {
  endOf,
  findCommand,
  killGroup,
  parentDeathPrefix,
  setChildRef,
  shellStatus,
  signalGroup,
  startProcess,
} from "../../processes/index.js";

/** The search path for commands without `PATH` in their environment, as in C libraries. */
const DEFAULT_PATH = "/usr/bin:/bin";

/** How long the last output of a killed command can still be read when a process outside of its group holds the pipes. */
const LAST_OUTPUT_MS = 100;

/** A command to be run. */
export interface ExecCommand {
  /** The program and its arguments; at least one word. */
  readonly words: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Whether its standard input will be written to. Otherwise the input is empty. */
  readonly hasInput: boolean;
  /** How many bytes of each output may be under way unacknowledged; undefined: any number. */
  readonly windowBytes: number | undefined;
}

/** How a command ended: its status in a shell, and the signal if one killed it. */
export interface ExecEnd {
  readonly status: number;
  readonly signal: NodeJS.Signals | null;
}

interface ExecListener {
  readonly output: (stream: OutputStream, bytes: Buffer) => void;
  /** All its output has been read. Its process group has ended. */
  readonly finished: (end: ExecEnd) => void;
}

/**
 * A command in a process group of its own, which ends with the broker.
 *
 * It has finished when it has exited and its outputs are closed, as with `ssh`. So the output of a background
 * pipeline is not lost. It then kills the remaining processes of its group. SIGKILL ends it in any case.
 */
export class ExecProcess {
  readonly pid: number;
  readonly #child: Child;
  readonly #listener: ExecListener;
  readonly #room: Record<OutputStream, number>;
  #end: ExecEnd | undefined;
  #isFinished = false;
  /** Whether it must end at once. */
  #isKilled = false;
  /** Whether its output is dropped. */
  #isMuted = false;

  /** @throws SluiceError `ENOENT` no such command or directory, `EACCES` not executable, or why the system refused */
  static async start(command: ExecCommand, listener: ExecListener): Promise<ExecProcess> {
    const argv = await argvOf(command);
    const child = spawnCommand(argv, command);
    // The output of the process waits in its pipes until this process reads it.
    const process_ = new ExecProcess(child, command, listener);
    try {
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", reject);
      });
    } catch (cause) {
      throw startError(command, cause);
    }
    return process_;
  }

  private constructor(child: Child, { windowBytes = Infinity }: ExecCommand, listener: ExecListener) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.#listener = listener;
    this.#room = { stdout: windowBytes, stderr: windowBytes };
    child.once("exit", (code, signal) => {
      this.#end = { status: shellStatus(endOf(code, signal)), signal };
      if (this.#isMuted) this.#closeOutputs();
      else if (this.#isKilled) this.#closeOutputsSoon();
    });
    child.once("close", () => this.#finish());
    // The next write reports a standard input without a reader.
    child.stdin?.on("error", () => child.stdin?.destroy());
  }

  /** Starts to read its output. */
  listen(): void {
    for (const name of ["stdout", "stderr"] as const) {
      const stream = this.#child[name];
      stream.on("data", (bytes: Buffer) => this.#take(name, stream, bytes));
    }
  }

  /** The reader has taken this number of bytes of an output. The process may send as many more. */
  acknowledge(name: OutputStream, bytes: number): void {
    this.#room[name] += bytes;
    if (this.#room[name] > 0) this.#child[name].resume();
  }

  /**
   * Writes to its standard input.
   * @param done called when the process, or the pipe to it, has taken all bytes; with an error if it never will
   */
  write(bytes: Buffer, done: (error?: Error | null) => void): void {
    const { stdin } = this.#child;
    if (stdin?.writable) stdin.write(bytes, done);
    else done(requestError("EPIPE", "the standard input of the command is closed"));
  }

  /** Ends its standard input after the written data. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  /**
   * Sends a signal to its process group.
   * @throws SluiceError `EPERM` if it has become another user's
   */
  signal(signal: NodeJS.Signals | number): void {
    if (this.#isFinished) return;
    const outcome = signalGroup(this.pid, signal);
    if (outcome === "denied") throw requestError("EPERM", `process ${this.pid} belongs to another user`);
    if (signal === "SIGKILL" || signal === constants.signals.SIGKILL) this.#isKilled = true;
    // A process that left the group may hold the outputs. No signal of ours reaches it.
    if (this.#end !== undefined && (this.#isKilled || outcome === "gone")) this.#closeOutputsSoon();
  }

  /** Whether it keeps this process alive. */
  setRef(isRef: boolean): void {
    setChildRef(this.#child, isRef);
  }

  /** Drops its output, so that it does not wait for a reader that has gone. */
  mute(): void {
    this.#isMuted = true;
    if (this.#end !== undefined) this.#closeOutputs();
    else for (const stream of [this.#child.stdout, this.#child.stderr]) stream.resume();
  }

  #take(name: OutputStream, stream: Readable, bytes: Buffer): void {
    if (this.#isMuted) return;
    this.#room[name] -= bytes.length;
    if (this.#room[name] <= 0) stream.pause();
    this.#listener.output(name, bytes);
  }

  #closeOutputsSoon(): void {
    const timer = setTimeout(() => this.#closeOutputs(), LAST_OUTPUT_MS);
    this.#child.once("close", () => clearTimeout(timer));
  }

  #closeOutputs(): void {
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
  }

  #finish(): void {
    if (this.#isFinished || this.#end === undefined) return;
    this.#isFinished = true;
    killGroup(this.pid);
    this.#listener.finished(this.#end);
  }
}

type Child = ChildProcessByStdio<Writable | null, Readable, Readable>;

/** Checked once, because the result is the same for the whole machine. */
let deathPrefix: Promise<readonly string[]> | undefined;

/** The command to start: the given words, after a check that they can start. */
async function argvOf({ words, cwd, env }: ExecCommand): Promise<readonly string[]> {
  const [name = ""] = words;
  await checkDirectory(cwd);
  const [prefix] = await Promise.all([
    (deathPrefix ??= parentDeathPrefix()),
    findCommand(name, env["PATH"] ?? DEFAULT_PATH, cwd),
  ]);
  return [...prefix, ...words];
}

async function checkDirectory(cwd: string): Promise<void> {
  let problem = "Not a directory";
  let cause: unknown;
  try {
    if ((await stat(cwd)).isDirectory()) return;
  } catch (error) {
    cause = error;
    problem = systemMessage(error);
  }
  throw requestError("ENOTDIR", `cannot change directory to ${cwd}: ${problem}`, cause);
}

function spawnCommand(argv: readonly string[], command: ExecCommand): Child {
  const [file = "", ...args] = argv;
  const options = { cwd: command.cwd, env: command.env, detached: true, realPipes: "all" } as const;
  return command.hasInput
    ? startProcess(file, args, { ...options, stdio: ["pipe", "pipe", "pipe"] })
    : startProcess(file, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
}

function startError({ words }: ExecCommand, cause: unknown): SluiceError {
  const errnum = errnumOf(cause) ?? (isInvalidArgument(cause) ? errnumOf(requestError("EINVAL")) : undefined);
  return new SluiceError("BROKER_REQUEST", `${words[0] ?? ""}: ${systemMessage(cause)}`, { errnum, cause });
}

/** Node's own check, for words that no system can pass on, such as a word with a zero byte. */
function isInvalidArgument(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_INVALID_ARG_VALUE";
}

import type { ChildProcess, ChildProcessByStdio, SpawnOptions } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { markedEnvironment } from "./mark.js";
import { interpreterOf } from "./missing-interpreter.js";
import { underOpenFilesLimit, withOpenFilesLimit } from "./open-files-limit.js";
import { owner } from "./owner.js";
import { noteRealPipes, withRealPipes } from "./real-pipes.js";
import { spawnSafely } from "./spawn-safely.js";

/** How a process is started. The other options are those of `spawn`. */
export type ProcessOptions = Pick<
  SpawnOptions,
  "cwd" | "env" | "stdio" | "detached" | "signal" | "killSignal"
> & {
  /**
   * Whether its standard output and error are real pipes, which programs can open (`> /dev/stderr`); Node gives
   * sockets. `all`: they end when each writer has gone; else when the process has ended.
   */
  readonly realPipes?: boolean | "all";
  /** The program sets the limit of open files for its own children. */
  readonly setsOpenFiles?: boolean;
};

let hasStarted = false;

/** Whether this process has started others, whose files or processes may remain. */
export function hasStartedProcesses(): boolean {
  return hasStarted;
}

type WithStdio<I, O, E> = ProcessOptions & { readonly stdio: [I, O, E] };

/**
 * Starts a process. No other code does so. It never throws: a process that cannot be started has no `pid`
 * and emits `error`, which ends nothing even without a listener. Its streams exist in any case.
 * @param file a path, or a name to be looked up in `PATH`
 */
export function startProcess(
  file: string,
  args: readonly string[],
  options: WithStdio<"ignore", "pipe", "pipe">,
): ChildProcessByStdio<null, Readable, Readable>;
export function startProcess(
  file: string,
  args: readonly string[],
  options: WithStdio<"pipe", "pipe", "pipe">,
): ChildProcessByStdio<Writable, Readable, Readable>;
export function startProcess(
  file: string,
  args: readonly string[],
  options: WithStdio<"ignore", "ignore", "pipe">,
): ChildProcessByStdio<null, null, Readable>;
export function startProcess(
  file: string,
  args: readonly string[],
  options: WithStdio<"pipe", "ignore", "ignore">,
): ChildProcessByStdio<Writable, null, null>;
export function startProcess(file: string, args: readonly string[], options: ProcessOptions): ChildProcess;
export function startProcess(
  file: string,
  args: readonly string[],
  { realPipes = false, setsOpenFiles = false, ...options }: ProcessOptions,
): ChildProcess {
  hasStarted = true;
  const env = withOpenFilesLimit(markedEnvironment(options.env ?? process.env, owner()));
  const pipes = realPipes === false ? undefined : withRealPipes([file, ...args], realPipes);
  const command = (setsOpenFiles ? undefined : underOpenFilesLimit(pipes ?? [file, ...args])) ?? pipes;
  // A command that the helper could not start must fail in the same way as without the helper.
  const isFound =
    command !== undefined &&
    isDirectory(options.cwd) &&
    isProgram(file, env["PATH"], String(options.cwd ?? "."));
  const [program = file, ...words] = isFound ? command : [file, ...args];
  const child = spawnSafely(program, words, { ...options, env });
  if (isFound && pipes !== undefined) noteRealPipes(child);
  return child;
}

/** The shell fails in a removed directory, which the program may not need. */
function isDirectory(cwd: SpawnOptions["cwd"]): boolean {
  try {
    return statSync(cwd ?? process.cwd()).isDirectory();
  } catch {
    return false;
  }
}

function isProgram(file: string, path = "", cwd: string): boolean {
  const directories = file.includes("/") ? [""] : path.split(":").filter(Boolean);
  const found = directories
    .map((directory) => resolve(cwd, join(directory, file)))
    .find((path) => isExecutable(path));
  return found !== undefined && interpreterOf(found) !== "missing";
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

import type { ChildProcess, ChildProcessByStdio, SpawnOptions } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { markedEnvironment } from "./mark.js";
import { underOpenFilesLimit, withOpenFilesLimit } from "./open-files-limit.js";
import { owner } from "./owner.js";
import { spawnSafely } from "./spawn-safely.js";

/** How a process is started; the rest is as `spawn` has it. */
export type ProcessOptions = Pick<
  SpawnOptions,
  "cwd" | "env" | "stdio" | "detached" | "signal" | "killSignal"
>;

type WithStdio<I, O, E> = ProcessOptions & { readonly stdio: [I, O, E] };

/**
 * Starts a process; the one place where that is done. It never throws: a process that cannot be started, for whatever
 * reason, has no `pid` and emits `error`, which ends nothing if nothing listens. Its streams are there in any case.
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
export function startProcess(file: string, args: readonly string[], options: ProcessOptions): ChildProcess {
  const env = withOpenFilesLimit(markedEnvironment(options.env ?? process.env, owner()));
  const command = underOpenFilesLimit([file, ...args]);
  // What the shell in between could not find must fail as it does without one.
  const isFound =
    command !== undefined &&
    isDirectory(options.cwd) &&
    isProgram(file, env["PATH"], String(options.cwd ?? "."));
  const [program = file, ...words] = isFound ? command : [file, ...args];
  return spawnSafely(program, words, { ...options, env });
}

/** The shell complains of a directory that is gone; the program may not mind. */
function isDirectory(cwd: SpawnOptions["cwd"]): boolean {
  try {
    return statSync(cwd ?? process.cwd()).isDirectory();
  } catch {
    return false;
  }
}

function isProgram(file: string, path = "", cwd: string): boolean {
  const directories = file.includes("/") ? [""] : path.split(":").filter(Boolean);
  return directories.some((directory) => isExecutable(resolve(cwd, join(directory, file))));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

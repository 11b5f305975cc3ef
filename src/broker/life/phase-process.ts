import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { constants } from "node:os";
import type { PhaseProcess } from "./instance-life.js";
import { killTree } from "../../processes/process-tree.js";

export interface SpawnPhaseOptions {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdio: StdioOptions;
  /**
   * Whether it gets a process group of its own, which is then signalled and killed as a whole. A program that talks to
   * a terminal must stay in the group that the terminal listens to.
   */
  readonly ownGroup: boolean;
  /** A program that could not be started at all. */
  readonly onStartError: (error: NodeJS.ErrnoException) => void;
}

/** Starts a process as one phase of an instance's life. */
export function spawnPhase(options: SpawnPhaseOptions): PhaseProcess & { readonly child?: ChildProcess } {
  const [file = "", ...args] = options.argv;
  let child: ChildProcess;
  try {
    child = spawn(file, args, { env: options.env, stdio: options.stdio, detached: options.ownGroup });
  } catch (error) {
    // Node reports few reasons by an event and throws the others, such as ENOTDIR and E2BIG.
    options.onStartError(error instanceof Error ? error : new Error(String(error)));
    return { exited: Promise.resolve(126), signal: () => undefined, kill: () => undefined };
  }
  const send = (signal: NodeJS.Signals): void => {
    if (child.pid === undefined) return;
    signalProgram({ pid: child.pid, ownGroup: options.ownGroup }, signal);
  };
  const exited = new Promise<number>((resolve) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      options.onStartError(error);
      resolve(error.code === "ENOENT" ? 127 : 126);
    });
    child.once("exit", (code, signal) => {
      // What it left behind in its group must not outlive the phase.
      if (options.ownGroup) send("SIGKILL");
      resolve(exitStatus(code, signal));
    });
  });
  const kill = (): void => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    if (options.ownGroup && child.pid !== undefined) killTree(child.pid);
    else send("SIGKILL");
  };
  return { child, exited, signal: send, kill };
}

/** As a shell has it: the status, or 128 + the number of the signal. */
export function exitStatus(code: number | null, signal: NodeJS.Signals | null): number {
  if (signal !== null) return 128 + constants.signals[signal];
  return code ?? 1;
}

/** A process that somebody started, alone in its process group or in that of others. */
export interface ProgramProcess {
  readonly pid: number;
  readonly ownGroup: boolean;
}

/** Sends a signal to a program: to all of its process group if that is its own. */
export function signalProgram({ pid, ownGroup }: ProgramProcess, signal: NodeJS.Signals): void {
  sendSignal(ownGroup ? -pid : pid, signal);
}

/** Sends a signal to a process group; one that is gone already is fine. */
export function signalGroup(pgid: number, signal: NodeJS.Signals | number): boolean {
  return sendSignal(-pgid, signal);
}

/** Sends a signal to a process, or a group if negative; says whether it was there. */
export function sendSignal(target: number, signal: NodeJS.Signals | number): boolean {
  try {
    process.kill(target, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

import type { ChildProcess, StdioOptions } from "node:child_process";
import { endOf, killTree, shellStatus, signalProgram, startProcess } from "../../processes/index.js";
import type { PhaseProcess } from "./instance-life.js";

export interface SpawnPhaseOptions {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdio: StdioOptions;
  /**
   * Whether it gets a process group of its own, which is then signalled and killed as a whole. A program that uses a
   * terminal must stay in the process group of that terminal.
   */
  readonly ownGroup: boolean;
  /** A program that could not be started at all. */
  readonly onStartError: (error: NodeJS.ErrnoException) => void;
}

/** Starts a process as one phase of an instance's life. */
export function spawnPhase(options: SpawnPhaseOptions): PhaseProcess & { readonly child?: ChildProcess } {
  const [file = "", ...args] = options.argv;
  const child = startProcess(file, args, {
    env: options.env,
    stdio: options.stdio,
    detached: options.ownGroup,
  });
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
      // The remaining processes of its group must not outlive the phase.
      if (options.ownGroup) send("SIGKILL");
      resolve(shellStatus(endOf(code, signal)));
    });
  });
  const kill = (): void => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    if (options.ownGroup && child.pid !== undefined) killTree(child.pid);
    else send("SIGKILL");
  };
  return { child, exited, signal: send, kill };
}

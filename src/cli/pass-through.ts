import { once } from "node:events";
import { constants } from "node:os";
import { inheritedStdio, startProcess } from "../processes/index.js";

export interface PassThroughOptions {
  /** Whether this is process 1. It then passes on all signals that request its end, unless a terminal has done so. */
  readonly isInit?: boolean;
}

/**
 * Runs a program in place of this process, as far as Node allows: with the same terminal, descriptors and signals.
 * Its status becomes ours.
 * @throws the system's error if it cannot be started
 */
export async function passThrough(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { isInit = false }: PassThroughOptions = {},
): Promise<void> {
  const child = startProcess(file, args, { stdio: isInit ? "inherit" : inheritedStdio(), env });
  const forward = (signal: NodeJS.Signals): boolean => child.kill(signal);
  const end = (): boolean => child.kill("SIGTERM");
  // A Ctrl-C in the terminal also reaches the program. This process therefore only waits for its end.
  const ignore = (): void => undefined;
  const interrupt = isInit && !process.stdin.isTTY ? forward : ignore;
  process.on("SIGINT", interrupt).on("SIGTERM", forward).on("SIGHUP", forward);
  if (isInit) process.on("SIGQUIT", end);
  try {
    const [status, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    process.exitCode = signal === null ? (status ?? 0) : 128 + constants.signals[signal];
  } finally {
    // After the end of the program, a signal has its usual effect on this process.
    process.off("SIGINT", interrupt).off("SIGTERM", forward).off("SIGHUP", forward).off("SIGQUIT", end);
  }
}

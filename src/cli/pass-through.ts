import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";

/**
 * Runs a program in our place, as far as Node lets us: with our terminal, our signals, and its status as ours.
 * @throws the system's error if it cannot be started
 */
export async function passThrough(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const child = spawn(file, args, { stdio: "inherit", env });
  const forward = (signal: NodeJS.Signals): boolean => child.kill(signal);
  // A Ctrl-C in the terminal reaches it too; how it ends is what counts.
  const ignore = (): void => undefined;
  process.on("SIGINT", ignore).on("SIGTERM", forward).on("SIGHUP", forward);
  try {
    const [status, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    process.exitCode = signal === null ? (status ?? 0) : 128 + constants.signals[signal];
  } finally {
    // Listeners to signals would keep nothing alive, but a signal from now on is ours again.
    process.off("SIGINT", ignore).off("SIGTERM", forward).off("SIGHUP", forward);
  }
}

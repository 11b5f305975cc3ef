import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { Command } from "commander";
import { pythonEnvironment } from "../python/index.js";
import { ExitError } from "./output.js";

export function command(): Command {
  return new Command("python")
    .argument("[args...]", "arguments of python3")
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .addHelpText("after", "\nExample:\n  sluice python -c 'import sluice; print(sluice.Sluice().rank)'")
    .action((args: readonly string[], _options: unknown, self: Command) => {
      // Ours only if it stands alone; python3 has one of its own for those who write `-- --help`.
      if (args.length === 1 && args[0] === "--help") self.help();
      return runPython(args);
    });
}

/** Runs python3 with our packages on its path and passes on how it ends. */
async function runPython(args: readonly string[]): Promise<void> {
  const child = spawn("python3", args, {
    stdio: "inherit",
    env: { ...process.env, ...pythonPath() },
  });
  // A Ctrl-C in the terminal reaches it too; how it ends is what counts.
  const forward = (signal: NodeJS.Signals): boolean => child.kill(signal);
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", forward);
  process.on("SIGHUP", forward);
  let ending;
  try {
    ending = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  } catch (error) {
    if (isMissing(error)) throw new ExitError(127, "python3: command not found");
    throw error;
  }
  const [status, signal] = ending;
  process.exitCode = signal === null ? (status ?? 0) : 128 + constants.signals[signal];
  // Listeners to signals would keep nothing alive, but a signal from now on is ours again.
  process.removeAllListeners("SIGINT").removeAllListeners("SIGTERM").removeAllListeners("SIGHUP");
}

/** Without the safe path: scripts of users import what lies beside them, as with any python3. */
function pythonPath(): Record<string, string> {
  const { PYTHONPATH = "" } = pythonEnvironment(process.env);
  return { PYTHONPATH };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

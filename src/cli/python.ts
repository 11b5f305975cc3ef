import { Command } from "commander";
import { isErrno } from "../errors/index.js";
import { pythonEnvironment } from "../processes/index.js";
import { ExitError } from "./terminal/output.js";
import { passThrough } from "./pass-through.js";

export function command(): Command {
  return new Command("python")
    .argument("[args...]", "arguments of python3")
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .addHelpText("after", "\nExample:\n  sluice python -c 'import sluice; print(sluice.Sluice().rank)'")
    .action((args: readonly string[], _options: unknown, self: Command) => {
      // The option is ours only if it stands alone. `-- --help` gives the help of python3.
      if (args.length === 1 && args[0] === "--help") self.help();
      return runPython(args);
    });
}

/** Runs python3 with our packages on its path, and passes its exit status on. */
async function runPython(args: readonly string[]): Promise<void> {
  try {
    await passThrough("python3", args, { ...process.env, ...pythonPath() });
  } catch (error) {
    if (isErrno(error, "ENOENT")) throw new ExitError(127, "python3: command not found");
    throw error;
  }
}

/** Leaves out the safe path, so that scripts of users can import the files beside them, as with any python3. */
function pythonPath(): Record<string, string> {
  const { PYTHONPATH = "" } = pythonEnvironment(process.env);
  return { PYTHONPATH };
}

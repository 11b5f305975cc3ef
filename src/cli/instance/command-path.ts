import { accessSync, constants, realpathSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";

/** The name of the command, in any directory. */
const COMMAND = "sluice";

/**
 * An environment in which `sluice` is the present command. It adds its directory to the PATH if a look-up would find
 * no such command. If a look-up would find another one, it puts its directory first.
 * @param command the path with which this process was started
 */
export function withOwnCommand(env: NodeJS.ProcessEnv, command: string | undefined): NodeJS.ProcessEnv {
  if (command === undefined || basename(command) !== COMMAND) return env;
  const directory = dirname(command);
  const path = env["PATH"] ?? "";
  const found = commandOn(path);
  if (found === undefined) return { ...env, PATH: [path, directory].filter(Boolean).join(delimiter) };
  if (found === realpathSync(command)) return env;
  return { ...env, PATH: `${directory}${delimiter}${path}` };
}

/** The file that a look-up finds, without links. */
function commandOn(path: string): string | undefined {
  for (const directory of path.split(delimiter)) {
    const file = join(directory, COMMAND);
    try {
      accessSync(file, constants.X_OK);
      return realpathSync(file);
    } catch {
      // The file is not here. The next directory may have it.
    }
  }
  return undefined;
}

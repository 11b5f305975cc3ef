import { SluiceError } from "../errors/index.js";
import { findCommand } from "./find-command.js";
import { startProcess } from "./start-process.js";

const ARGUMENTS = ["--pdeathsig", "KILL", "--"];

/**
 * The prefix of a command with which the kernel kills it when the broker ends: `setpriv` of util-linux. Empty where
 * the system has no such program; our own hosts then still end when their channel closes.
 */
export async function parentDeathPrefix(): Promise<readonly string[]> {
  try {
    const setpriv = await findCommand("setpriv", process.env["PATH"]);
    return (await succeeds([setpriv, ...ARGUMENTS, process.execPath, "--version"]))
      ? [setpriv, ...ARGUMENTS]
      : [];
  } catch (error) {
    if (error instanceof SluiceError) return [];
    throw error;
  }
}

/** Other implementations of it lack the option. */
function succeeds([command, ...args]: readonly [string, ...string[]]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = startProcess(command, args, { stdio: "ignore" });
    child.once("error", () => resolve(false));
    child.once("exit", (status) => resolve(status === 0));
  });
}

import { access, constants, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { systemMessage } from "../errors/index.js";
import { say } from "./terminal/output.js";
import { missingInterpreter, NODE_COMMAND } from "../processes/index.js";
import { passThrough } from "./pass-through.js";

/** Suffixes of scripts that need not be executable: our Node runs them, and `sluice` is this library for them. */
const SCRIPT_SUFFIXES = [".ts", ".mts", ".mjs", ".js"] as const;

const SCRIPT_MAIN = fileURLToPath(new URL("../rc/script-main.cjs", import.meta.url));

/**
 * Runs a foreign command: the first executable file or script `sluice-NAME` in the directories of `SLUICE_EXEC_PATH`,
 * then of `PATH`. Its status becomes ours.
 * @returns false if there is no such program
 */
export async function runExternal(name: string, args: readonly string[]): Promise<boolean> {
  // A name of a command is never a path.
  if (!/^[\w@:+-]+$/.test(name)) return false;
  const { SLUICE_EXEC_PATH = "", PATH = "" } = process.env;
  for (const directory of [SLUICE_EXEC_PATH, PATH].flatMap((path) => path.split(":")).filter(Boolean)) {
    const file = resolve(join(directory, `sluice-${name}`));
    if (await isFile(file, constants.X_OK)) {
      await runProgramFile(file, args);
      return true;
    }
    for (const suffix of SCRIPT_SUFFIXES) {
      if (!(await isFile(`${file}${suffix}`, constants.R_OK))) continue;
      const [node, ...flags] = NODE_COMMAND;
      await passThrough(node, [...flags, SCRIPT_MAIN, `${file}${suffix}`, ...args], process.env);
      return true;
    }
  }
  return false;
}

/** An executable file may fail to run, for example a script without its interpreter. */
async function runProgramFile(file: string, args: readonly string[]): Promise<void> {
  try {
    await passThrough(file, args, process.env);
  } catch (error) {
    const why = missingInterpreter(file, error) ?? systemMessage(error);
    say(`sluice: ${file}: ${why}`);
    process.exitCode = 1;
  }
}

async function isFile(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return (await stat(path)).isFile();
  } catch (error) {
    // After any error, the next directory may have the file.
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}

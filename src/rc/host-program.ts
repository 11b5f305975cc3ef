import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { NODE_COMMAND, pythonEnvironment } from "../processes/index.js";

/** The command that hosts rc files of one language. */
export interface HostProgram {
  readonly name: string;
  /** Suffixes of the files that it reads, with the dot. */
  readonly suffixes: readonly string[];
  readonly command: readonly [file: string, ...args: string[]];
  /** Returns the variables to add to the environment that it inherits. */
  readonly env?: (inherited: NodeJS.ProcessEnv) => Readonly<Record<string, string>>;
}

/** TypeScript and JavaScript. The path is valid in `dist/rc/` as well as in the bundle in `dist/cli/`. */
export const SCRIPT_HOST: HostProgram = {
  name: "typescript",
  suffixes: [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs"],
  command: [...NODE_COMMAND, fileURLToPath(new URL("../rc/ts-host.cjs", import.meta.url))],
};

/** Python, by the first `python3` of the path. */
export const PYTHON_HOST: HostProgram = {
  name: "python",
  suffixes: [".py"],
  command: ["python3", "-m", "sluice.rc_host"],
  env: pythonEnvironment,
};

/**
 * The hosts of rc files that run against a live Flux (docs/design/flux.md §2). Python runs in Flux's own interpreter,
 * with its package `flux`. Requests of TypeScript go to the driver.
 * @param driverUri where the driver listens
 */
export function fluxHostPrograms(driverUri: string): readonly HostProgram[] {
  return [
    { ...SCRIPT_HOST, env: () => ({ SLUICE_URI: driverUri }) },
    {
      ...PYTHON_HOST,
      command: ["flux", "python", "-m", "sluice.rc_host"],
      env: (inherited) => ({ ...pythonEnvironment(inherited), SLUICE_ON: "flux" }),
    },
  ];
}

/** The shipped hosts. */
export const HOST_PROGRAMS: readonly HostProgram[] = [SCRIPT_HOST, PYTHON_HOST];

/** The program for a file, or undefined if the file has no code for one of them. */
export function hostProgramFor(file: string, programs = HOST_PROGRAMS): HostProgram | undefined {
  const suffix = extname(file);
  return programs.find(({ suffixes }) => suffixes.includes(suffix));
}

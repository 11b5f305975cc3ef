import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/** The command that hosts rc files of one language. */
export interface HostProgram {
  readonly name: string;
  /** Of the files that it reads, with the dot. */
  readonly suffixes: readonly string[];
  readonly command: readonly [file: string, ...args: string[]];
  /** Added to its environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** TypeScript and JavaScript. The path holds in `dist/rc/` as well as in the bundle in `dist/cli/`. */
export const SCRIPT_HOST: HostProgram = {
  name: "typescript",
  suffixes: [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs"],
  command: [process.execPath, fileURLToPath(new URL("../rc/ts-host-main.js", import.meta.url))],
};

/** Those that Sluice comes with. */
export const HOST_PROGRAMS: readonly HostProgram[] = [SCRIPT_HOST];

/** The program for a file, or undefined if it holds no code that one of them runs. */
export function hostProgramFor(file: string, programs = HOST_PROGRAMS): HostProgram | undefined {
  const suffix = extname(file);
  return programs.find(({ suffixes }) => suffixes.includes(suffix));
}

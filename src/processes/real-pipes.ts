import type { ChildProcess } from "node:child_process";
import { helper } from "./init-helper.js";

const piped = new WeakSet<ChildProcess>();

/**
 * A command that gives another one real pipes as its outputs (`native/pipes.c`); undefined without the helper.
 * @param how with `all`, the pipes end when each writer has ended, not only the command
 */
export function withRealPipes(command: readonly string[], how: true | "all"): readonly string[] | undefined {
  const program = helper();
  return program === undefined
    ? undefined
    : [program, how === "all" ? "--pipes=all" : "--pipes", "--", ...command];
}

/** Notes that the outputs of a process are such pipes. */
export function noteRealPipes(child: ChildProcess): void {
  piped.add(child);
}

/** Whether the outputs of a process end with it. */
export function hasRealPipes(child: ChildProcess): boolean {
  return piped.has(child);
}

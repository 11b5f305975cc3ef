import { markOf, signalProcess, sleep } from "../../processes/index.js";
import type { RegisteredInstance } from "./instance-register.js";

const CHECK_MS = 50;

/** Resolves when the process that runs an instance has ended. By then that process has removed all its files. */
export async function endOfProcess({ pid }: RegisteredInstance): Promise<void> {
  const mark = markOf(pid)?.text;
  // Without /proc, a signal is the only way to check that a process is alive.
  const runs = (): boolean =>
    markOf(process.pid) === undefined
      ? signalProcess(pid, 0) === "sent"
      : mark !== undefined && markOf(pid)?.text === mark;
  while (runs()) await sleep(CHECK_MS);
}

import { type ChildProcess, spawn } from "node:child_process";
import { errnumOf, messageOf, SluiceError, strerror } from "../errors/index.js";
import type { OutputLine } from "./host-port.js";
import { OutputLines } from "./output-lines.js";
import { endText, isSuccess, processEnd } from "../processes/process-end.js";
import { killGroup } from "../processes/process-group.js";

/** A declarative task, ready to run. */
export interface CommandTask {
  readonly name: string;
  /** A shell line (`bash -c`), or an argv. */
  readonly command: string | readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Runs a command in a process group of its own, which an abort kills.
 * @throws SluiceError `RUN_FAILED`: `exited with exit status N`, `died by signal N`, or why it could not be started;
 *   after an abort the reason of the signal
 */
export async function runCommand(
  { name, command, env }: CommandTask,
  onOutput: (line: OutputLine) => void,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const [file, ...args] = typeof command === "string" ? ["bash", "-c", command] : command;
  if (file === undefined) throw new SluiceError("RUN_FAILED", "its command is empty", { unit: name });
  const child = spawn(file, args, { detached: true, stdio: ["ignore", "pipe", "pipe"], env });
  const output = new OutputLines(onOutput);
  child.stdout.on("data", (chunk: Buffer) => output.push(name, "stdout", chunk));
  child.stderr.on("data", (chunk: Buffer) => output.push(name, "stderr", chunk));
  const kill = (): void => killGroup(child);
  signal.addEventListener("abort", kill);
  try {
    await succeeded(child, file, name);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", kill);
    output.endAll();
  }
}

async function succeeded(child: ChildProcess, file: string, unit: string): Promise<void> {
  const end = await processEnd(child).catch((cause: unknown) => {
    const errnum = errnumOf(cause);
    const reason = errnum === undefined ? messageOf(cause) : strerror(errnum);
    throw new SluiceError("RUN_FAILED", `${file}: ${reason}`, { cause, errnum, unit });
  });
  if (!isSuccess(end)) throw new SluiceError("RUN_FAILED", endText(end), { unit });
}

import type { ChildProcess } from "node:child_process";
import { errnumOf, messageOf, SluiceError, strerror } from "../errors/index.js";
import type { OutputLine } from "./host-port.js";
import { OutputLines } from "./output-lines.js";
import {
  commandEndText,
  isSuccess,
  killGroup,
  missingInterpreter,
  processEnd,
  releaseOutputs,
  startProcess,
} from "../processes/index.js";

/** A declarative task, ready to run. */
export interface CommandTask {
  readonly name: string;
  /** A shell line (`bash -c`), or an argv. */
  readonly command: string | readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Runs a command in a process group of its own, which an abort kills. This process cannot kill a command that
 * now belongs to another user, such as sudo. After an abort the task does not wait for it. A line of its
 * output says so.
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
  if (file === undefined) throw new SluiceError("RUN_FAILED", "the command is empty", { unit: name });
  const child = startProcess(file, args, {
    ...{ detached: true, realPipes: true, env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = new OutputLines(onOutput);
  child.stdout.on("data", (chunk: Buffer) => output.push(name, "stdout", chunk));
  child.stderr.on("data", (chunk: Buffer) => output.push(name, "stderr", chunk));
  const abandoned = killedByAbort(child, signal, ({ pid = 0 }) => {
    onOutput({ unit: name, stream: "stderr", text: `process ${pid} belongs to another user and continues` });
  });
  try {
    await Promise.race([succeeded(child, { file, path: env["PATH"] }, name), abandoned.promise]);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    abandoned.stop();
    output.endAll();
  }
}

/** Kills the group of a process when a signal aborts. Rejects only if that is not allowed. */
function killedByAbort(
  child: ChildProcess,
  signal: AbortSignal,
  onDenied: (child: ChildProcess) => void,
): { readonly promise: Promise<never>; stop(): void } {
  let kill = (): void => undefined;
  const promise = new Promise<never>((_resolve, reject) => {
    kill = () => {
      if (child.pid === undefined || killGroup(child.pid) !== "denied") return;
      onDenied(child);
      child.unref();
      releaseOutputs(child);
      reject(new SluiceError("RUN_CANCELLED", "the process belongs to another user"));
    };
  });
  signal.addEventListener("abort", kill);
  return { promise, stop: () => signal.removeEventListener("abort", kill) };
}

async function succeeded(
  child: ChildProcess,
  { file, path }: { readonly file: string; readonly path: string | undefined },
  unit: string,
): Promise<void> {
  const end = await processEnd(child).catch((cause: unknown) => {
    const errnum = errnumOf(cause);
    const plain = errnum === undefined ? messageOf(cause) : strerror(errnum);
    const reason = missingInterpreter(file, cause, path) ?? plain;
    throw new SluiceError("RUN_FAILED", `${file}: ${reason}`, { cause, errnum, unit });
  });
  if (!isSuccess(end)) throw new SluiceError("RUN_FAILED", commandEndText(end), { unit });
}

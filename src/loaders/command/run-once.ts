import {
  type Identity,
  type ProcessEnd,
  startProgram,
  type SupervisedProgram,
} from "../../processes/index.js";
import { executableOf } from "./command-line.js";
import { OutputLines } from "./output-lines.js";
import type { CommandLine } from "../program-options.js";

/** A command that runs beside a program: a probe of it, or the command that stops it. */
export interface OnceCommand {
  readonly command: CommandLine;
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  /** That of the program, whose files it may read or run. */
  readonly identity: Identity | undefined;
}

/** Its outcome, and a limited number of its output lines. */
export interface OnceResult {
  readonly end: ProcessEnd;
  /** It was killed because its time had passed. */
  readonly isAborted: boolean;
  readonly lines: readonly string[];
}

const LINES_KEPT = 100;

/**
 * Runs a command to its end. It kills the processes that the command leaves behind, and all of them when the signal
 * aborts. No process is left when this returns.
 * @throws SluiceError `LOAD_FAILED` if it cannot be started
 */
export async function runOnce(once: OnceCommand, signal: AbortSignal): Promise<OnceResult> {
  const lines: string[] = [];
  const keep = ({ text }: { readonly text: string }): void => {
    lines.push(text);
    if (lines.length > LINES_KEPT) lines.shift();
  };
  const streams = { stdout: new OutputLines("stdout", keep), stderr: new OutputLines("stderr", keep) };
  const { file, args } = await executableOf(once.command, once);
  const program = await startProgram({
    file,
    args,
    cwd: once.directory,
    env: once.env,
    identity: once.identity,
    output: "capture",
    listener: {
      output: (stream, bytes) => streams[stream].push(bytes),
      leftOut: () => undefined,
      notified: () => undefined,
      readyOnDescriptor: () => undefined,
    },
  });
  const isAborted = await endedOrAborted(program, signal);
  program.kill();
  await program.gone;
  for (const stream of Object.values(streams)) stream.end();
  return { end: await program.ended, isAborted, lines };
}

async function endedOrAborted(program: SupervisedProgram, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return true;
  let abort = (): void => undefined;
  const aborted = new Promise<boolean>((resolve) => {
    abort = () => resolve(true);
    signal.addEventListener("abort", abort);
  });
  try {
    return await Promise.race([program.ended.then(() => false), aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

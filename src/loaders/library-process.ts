import { libraryError, tooLong } from "./library-thread.js";
import {
  isSuccess,
  killGroup,
  moduleEndText,
  parentDeathPrefix,
  partEnvironment,
  processEnd,
  startProcess,
  startTimer,
  sweep,
} from "../processes/index.js";

/** A longer output is no manifest. */
const OUTPUT_BYTES = 1024 * 1024;

/** A process that writes the manifest of a library. */
export interface LibraryReader {
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text for its standard input. */
  readonly input?: string | undefined;
  /**
   * The descriptor that it writes to. If that is not standard output, standard output goes to the same place as our
   * errors.
   */
  readonly fd: 1 | 3;
  readonly timeoutMs: number;
}

/**
 * Reads the output of a process, and then ends it with all processes that it has started.
 * @throws SluiceError `LOAD_LIBRARY` if it fails, takes too long or writes too much
 */
export async function readFromProcess({
  command,
  env,
  input,
  fd,
  timeoutMs,
}: LibraryReader): Promise<string> {
  const [program = "", ...args] = [...(await parentDeathPrefix()), ...command];
  const { env: marked, mark } = partEnvironment(env);
  const child = startProcess(program, args, {
    env: marked,
    detached: true,
    stdio: ["pipe", fd === 1 ? "pipe" : 2, 2, fd === 3 ? "pipe" : "ignore"],
  });
  let fault: string | undefined;
  const end = (why: string): void => {
    fault ??= why;
    if (child.pid !== undefined) killGroup(child.pid);
  };
  const timer = startTimer(timeoutMs, () => end(tooLong(timeoutMs)));
  const chunks: Buffer[] = [];
  let bytes = 0;
  child.stdio[fd]?.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > OUTPUT_BYTES) end("writes more than a manifest can have");
    else chunks.push(chunk);
  });
  // A process that does not read its input is not an error.
  child.stdin?.on("error", () => undefined).end(input ?? "");
  try {
    const ended = await processEnd(child);
    if (fault !== undefined) throw libraryError(fault);
    if (!isSuccess(ended)) throw libraryError(`${moduleEndText(ended)} during the read`);
    return Buffer.concat(chunks).toString("utf8");
  } finally {
    timer.cancel();
    if (child.pid !== undefined) killGroup(child.pid);
    await sweep(mark);
  }
}

/**
 * The JSON that a process wrote.
 * @throws SluiceError `LOAD_LIBRARY`
 */
export function parseWritten(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw libraryError("its output is not JSON", cause);
  }
}

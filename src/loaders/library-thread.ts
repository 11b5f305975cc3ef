import type { Worker } from "node:worker_threads";
import { ERRNO, messageOf, placeInStack, SluiceError } from "../errors/index.js";
import { moduleEndText, partEnvironment, startTimer, sweep } from "../processes/index.js";
import type { Transpiler } from "../typescript/index.js";
import { startHostThread } from "./host-thread.js";
import { moduleFile } from "./module-file.js";
import type { LibraryQuery } from "./module-loader.js";
import type { DescribeReport, WorkerOrder } from "./thread-protocol.js";

/**
 * Reads a library of JavaScript or TypeScript in its own thread, and ends the thread afterwards. So its code leaves
 * nothing behind.
 * @returns undefined if the file is no library
 * @throws SluiceError `LOAD_LIBRARY`
 */
export async function readScriptLibrary(query: LibraryQuery, transpiler: Transpiler): Promise<unknown> {
  const { host, names, timeoutMs } = query;
  const file = await moduleFile(query, transpiler);
  const { env, mark } = partEnvironment(query.env ?? process.env);
  const worker = startHostThread(env);
  try {
    const report = await answerOf(worker, { kind: "describe", ...file, host, names }, timeoutMs);
    return manifestIn(report, file.path);
  } finally {
    await worker.terminate();
    await sweep(mark);
  }
}

/**
 * The manifest in a host's report about a library.
 * @returns undefined if the file is no library
 * @throws SluiceError `LOAD_LIBRARY`
 */
export function manifestIn(report: DescribeReport, path: string): unknown {
  if ("error" in report) throw libraryError(placed(report.error, report.stack, path));
  return report.manifest === undefined ? undefined : (JSON.parse(report.manifest) as unknown);
}

/**
 * Resolves with the first of three: the answer, the end of the thread, or the time-out. Later ones change nothing.
 */
function answerOf(worker: Worker, order: WorkerOrder, timeoutMs: number): Promise<DescribeReport> {
  return new Promise((resolve) => {
    const fail = (error: string): void => {
      timer.cancel();
      resolve({ error });
    };
    const timer = startTimer(timeoutMs, () => fail(tooLong(timeoutMs)));
    worker.once("message", (report: DescribeReport) => {
      timer.cancel();
      resolve(report);
    });
    worker.once("error", (error: unknown) => fail(messageOf(error)));
    worker.once("exit", (status) => fail(`${moduleEndText({ kind: "exited", status })} during the read`));
    worker.postMessage(order);
  });
}

/** The thrown error, on one line, with its place in the library. */
function placed(error: string, stack: string | undefined, path: string): string {
  const [line = ""] = error.replace(`${path}:`, "").trim().split("\n");
  const place = stack === undefined ? undefined : placeInStack(stack, path);
  return place === undefined || error.startsWith(path) ? line : `${place}: ${line}`;
}

/** The message about a library that is not read in time. */
export function tooLong(timeoutMs: number): string {
  return `is not read within the broker.library-timeout of ${timeoutMs / 1000} s`;
}

/** The error of a library that cannot be read. */
export function libraryError(message: string, cause?: unknown): SluiceError {
  return new SluiceError("LOAD_LIBRARY", message, { errnum: ERRNO.EINVAL, cause });
}

import { Worker, type WorkerOptions } from "node:worker_threads";
import { ERRNO, messageOf, SluiceError } from "../errors/index.js";
import { markedEnvironment } from "./mark.js";
import { owner } from "./owner.js";
import { requireWorkingDirectory } from "./working-directory.js";

/**
 * Starts a thread. No other code does so. Without a listener, its `error` has no effect; `exit` follows
 * it.
 * @param file the file that it runs
 * @throws SluiceError `LOAD_FAILED` with `EAGAIN` if the system refuses another thread; `BROKER_STATE` if this process
 * has no working directory any more
 */
export function startThread(
  file: URL,
  options: Omit<WorkerOptions, "env"> & { env?: NodeJS.ProcessEnv },
): Worker {
  requireWorkingDirectory();
  let worker: Worker;
  try {
    worker = new Worker(file, {
      // A module must not depend on how its host was started.
      execArgv: [],
      ...options,
      env: markedEnvironment(options.env ?? process.env, owner()),
    });
  } catch (cause) {
    const message = `cannot start a thread: ${messageOf(cause)}`;
    throw new SluiceError("LOAD_FAILED", message, { errnum: ERRNO.EAGAIN, cause });
  }
  worker.on("error", () => undefined);
  return worker;
}

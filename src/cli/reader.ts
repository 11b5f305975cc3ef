import { fstatSync } from "node:fs";
import { isErrno } from "../errors/index.js";
import { startProcess } from "../processes/index.js";

/**
 * Aborted when the reader of our standard output has gone. Commands that may have nothing to print for hours need it:
 * `sluice dmesg -f | head -1`. Node notices the end of a pipe that it only writes to at the next write. So `tail` of
 * the coreutils watches the pipe. It ends when the reader of its output has gone, and in any case with this process.
 * Without that `tail`, the write of the next line detects the end.
 */
export function readerGone(): AbortSignal {
  const gone = new AbortController();
  process.stdout.on("error", (error) => {
    if (isErrno(error, "EPIPE")) gone.abort();
  });
  if (!fstatSync(process.stdout.fd).isFIFO()) return gone.signal;
  const watcher = startProcess("tail", [`--pid=${process.pid}`, "-f", "/dev/null"], {
    stdio: ["ignore", process.stdout.fd, "ignore"],
  });
  // The process need not wait for it.
  watcher.unref();
  watcher.once("exit", (_status, signal) => {
    if (signal === "SIGPIPE") gone.abort();
  });
  // Its reader would wait for it, because it holds the pipe open.
  process.once("exit", () => watcher.kill("SIGKILL"));
  return gone.signal;
}

import type { ChildProcess, SpawnOptions } from "node:child_process";
import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";

/**
 * Starts a process without ever throwing. If its start fails, it has no `pid` and emits `error`, which ends nothing
 * even without a listener. Its streams exist in any case.
 */
export function spawnSafely(file: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  // This import is not at the top, because it takes 3 ms and most commands start no process.
  const node = process.getBuiltinModule("node:child_process");
  let child: ChildProcess;
  try {
    child = node.spawn(file, args, options);
  } catch (error) {
    // Node reports a few errors by an event and throws the others, such as ENOTDIR and E2BIG.
    child = new node.ChildProcess();
    process.nextTick(() => child.emit("error", error));
  }
  child.on("error", () => undefined);
  if (child.pid === undefined) completeStreams(child, options.stdio);
  return child;
}

/** Without a free descriptor, Node leaves out the streams. */
function completeStreams(child: ChildProcess, stdio: SpawnOptions["stdio"]): void {
  const kinds = Array.isArray(stdio) ? stdio : [stdio, stdio, stdio].map((kind) => kind ?? "pipe");
  const given = child.stdio as readonly (Readable | Writable | null | undefined)[] | undefined;
  const streams = kinds.map((kind, fd) => (kind === "pipe" ? (given?.[fd] ?? closedStream()) : null));
  const [stdin = null, stdout = null, stderr = null] = streams;
  Object.assign(child, { stdio: streams, stdin, stdout, stderr });
}

function closedStream(): Socket {
  const stream = new Socket();
  stream.on("error", () => undefined);
  return stream.destroy();
}

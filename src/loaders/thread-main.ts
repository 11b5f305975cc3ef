/**
 * The code of the worker threads of the thread loader: hosts the modules that the loader sends, one after the other
 * or side by side. The build bundles it into one file. It imports parts that a plain `.mjs` module does not need only
 * when a module needs them.
 */
import { parentPort, workerData } from "node:worker_threads";
import { type Channel, portChannel, runModuleMain } from "../messages/index.js";
import { describeFile } from "./describe-file.js";
import { entryOf } from "./entry-of.js";
import { generationsOf } from "./import-module.js";
import { showWrittenPlaces } from "../typescript/stack-places.js";
import type { WorkerOrder, WorkerReport, WorkerSetup } from "./thread-protocol.js";

/**
 * The limit of a module's messages on their way to the broker before its own side holds its requests. It is enough to
 * keep the broker busy, and small enough for other modules to get their share.
 */
const UNDER_WAY_LIMITS = { messages: 256, bytes: 4 * 1024 * 1024 };

const setup = workerData as WorkerSetup;

showWrittenPlaces();

/** Channels of the modules in this thread. */
const channels = new Set<Channel>();

// Standard output is for results of commands. If the other side read it, it would keep the process alive in spite of
// unref().
Object.defineProperty(process, "stdout", { get: () => process.stderr, configurable: true, enumerable: true });

// If a module ends the thread, this still sends its last messages.
process.on("exit", () => channels.forEach((channel) => channel.close()));

async function host(order: WorkerOrder & { readonly kind: "load" }): Promise<void> {
  const { current } = order;
  // Runs before the module receives the message.
  if (current !== undefined) order.port.on("message", () => (current[0] = order.id));
  const channel = portChannel(order.port, UNDER_WAY_LIMITS);
  channels.add(channel);
  const outcome = await runModuleMain(channel, () => entryOf(order, setup), {
    ...order.member,
    generations: () => generationsOf(order.path),
  });
  channels.delete(channel);
  report({ kind: "ended", id: order.id, outcome });
}

function report(what: WorkerReport): void {
  parentPort?.postMessage(what);
}

parentPort?.on("message", (order: WorkerOrder) => {
  switch (order.kind) {
    case "load":
      void host(order);
      break;
    case "describe":
      void describeFile(order, setup, order).then((report) => parentPort?.postMessage(report));
      break;
    case "beat":
      report({ kind: "beat" });
      break;
    case "exit":
      process.exit(0);
  }
});

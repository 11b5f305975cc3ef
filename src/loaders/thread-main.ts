/**
 * What runs in the worker threads of the thread loader: hosts the modules that the loader sends, one after the other or
 * side by side. Bundled into one file, and whatever is not needed for a plain `.mjs` module is imported when it is.
 */
import { parentPort, workerData } from "node:worker_threads";
import { messageOf, stackOf } from "../errors/index.js";
import { type Channel, describeLibrary, portChannel, runModuleMain } from "../messages/index.js";
import { entryOf } from "./entry-of.js";
import { importModule } from "./import-module.js";
import type { DescribeReport, WorkerOrder, WorkerReport, WorkerSetup } from "./thread-protocol.js";

/**
 * What a module may have on its way to the broker before its own side holds its requests: enough to keep the broker busy,
 * and little enough for others to get their share.
 */
const UNDER_WAY_LIMITS = { messages: 256, bytes: 4 * 1024 * 1024 };

const setup = workerData as WorkerSetup;

/** Channels of the modules that live in this thread. */
const channels = new Set<Channel>();

// A module that ends the thread has its last words sent.
process.on("exit", () => channels.forEach((channel) => channel.close()));

async function host(order: WorkerOrder & { readonly kind: "load" }): Promise<void> {
  const channel = portChannel(order.port, UNDER_WAY_LIMITS);
  channels.add(channel);
  const outcome = await runModuleMain(channel, () => entryOf(order, setup), order.member);
  channels.delete(channel);
  const report: WorkerReport = { id: order.id, outcome };
  parentPort?.postMessage(report);
}

async function describe(order: WorkerOrder & { readonly kind: "describe" }): Promise<DescribeReport> {
  try {
    return { manifest: await describeLibrary(await importModule(order, setup), order.host, order.names) };
  } catch (error) {
    return { error: messageOf(error), stack: stackOf(error) };
  }
}

parentPort?.on("message", (order: WorkerOrder) => {
  switch (order.kind) {
    case "load":
      void host(order);
      break;
    case "describe":
      void describe(order).then((report) => parentPort?.postMessage(report));
      break;
    case "exit":
      process.exit(0);
  }
});

/**
 * The code of the worker threads of the thread loader: hosts the modules that the loader sends, one after the other
 * or side by side. The build makes one small file of it (ADR 23). Parts that a plain `.mjs` module does not need are
 * imported when a module needs them.
 */
import { parentPort, workerData } from "node:worker_threads";
import { type Channel, type ModuleMain, portChannel, runModuleMain } from "../messages/index.js";
import { entryOf } from "./entry-of.js";
import { generationsOf } from "./import-module.js";
import { showWrittenPlaces } from "../typescript/stack-places.js";
import type { WorkerOrder, WorkerReport, WorkerSetup } from "./thread-protocol.js";

/**
 * The limit of a module's messages on their way to the broker before its own side holds its requests. It is enough to
 * keep the broker busy, and small enough for other modules to get their share.
 */
const UNDER_WAY_LIMITS = { messages: 256, bytes: 4 * 1024 * 1024 };

/** Gives the compiled code of this thread. Undefined: the loader has it, or another thread is to give it. */
let wanted: (() => Uint8Array) | undefined;

/** The channels of the modules in this thread. */
const channels = new Set<Channel>();

/**
 * Follows the orders of the loader until the last one.
 * @param compiled gives the compiled code of this thread; only if the loader needs it for other threads
 */
export function runThread(compiled?: () => Uint8Array): void {
  const setup = workerData as WorkerSetup;
  showWrittenPlaces();
  // Standard output is for results of commands. If the other side read it, it would keep the process alive in spite of
  // unref().
  Object.defineProperty(process, "stdout", {
    get: () => process.stderr,
    configurable: true,
    enumerable: true,
  });
  // If a module ends the thread, this still sends its last messages.
  process.on("exit", () => channels.forEach((channel) => channel.close()));
  parentPort?.on("message", (order: WorkerOrder) => follow(order, setup));
  wanted = compiled;
}

function follow(order: WorkerOrder, setup: WorkerSetup): void {
  switch (order.kind) {
    case "load":
      void host(order, setup);
      break;
    case "describe":
      void describe(order, setup);
      break;
    case "beat":
      report({ kind: "beat" });
      break;
    case "exit":
      process.exit(0);
  }
}

async function host(order: WorkerOrder & { readonly kind: "load" }, setup: WorkerSetup): Promise<void> {
  const { current } = order;
  // Runs before the module receives the message.
  if (current !== undefined) order.port.on("message", () => (current[0] = order.id));
  const channel = portChannel(order.port, UNDER_WAY_LIMITS);
  channels.add(channel);
  const load = async (): Promise<ModuleMain> => {
    const main = await entryOf(order, setup);
    // By then the module runs, and has used most of what any module uses.
    setImmediate(giveCode);
    return main;
  };
  const outcome = await runModuleMain(channel, load, {
    ...order.member,
    generations: () => generationsOf(order.path),
  });
  channels.delete(channel);
  report({ kind: "ended", id: order.id, outcome });
}

async function describe(
  order: WorkerOrder & { readonly kind: "describe" },
  setup: WorkerSetup,
): Promise<void> {
  const { describeFile } = await import("./describe-file.js");
  parentPort?.postMessage(await describeFile(order, setup, order));
}

function giveCode(): void {
  if (wanted !== undefined) report({ kind: "compiled", code: wanted() });
  wanted = undefined;
}

function report(what: WorkerReport): void {
  parentPort?.postMessage(what);
}

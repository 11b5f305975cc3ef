import { ERRNO, errnumOf, messageOf, SluiceError, stackOf } from "../errors/index.js";
import { connectAs } from "./connect.js";
import { registerDefaultHandlers } from "./handle/default-handlers.js";
import type { ChannelHandle } from "./handle/handle.js";
import { type Channel, type Handle, MODULE_STATUS } from "./types.js";

/** The entry function of a module (docs/design/modules.md §5). */
export type ModuleMain = (handle: Handle, ...args: string[]) => unknown;

/** How the program of a module ended. */
export type ModuleOutcome =
  | { readonly kind: "ok" }
  | {
      readonly kind: "error";
      /** The text of the module. */
      readonly message: string;
      /** The error number of the module, or `ECONNRESET`. */
      readonly errnum: number;
      /** Only for errors without a number, which are faults of the program. */
      readonly stack?: string | undefined;
    };

/** The facts that the host of a module has about it. */
export interface HostedModule {
  /** The kind of a module of a library. With a kind, the module reports its methods when it runs. */
  readonly kind?: string | undefined;
  /** The functions of a plug-in, which reports its methods too. */
  readonly symbols?: readonly string[] | undefined;
  /** How many versions of its file the thread has in memory after the load. Default: 1. */
  readonly generations?: (() => number) | undefined;
}

/** The number of versions in memory after which the log reports them again. */
const GENERATIONS_LOGGED = 20;

/**
 * Runs one module from its welcome to its end (docs/design/modules.md §3). It waits for `welcome`, registers the
 * default handlers, runs its entry function, reports finalizing and exited, and closes the channel. Every host uses
 * it, in a thread or a process.
 * @param channel the module's end, to a broker
 * @param load gives the entry function; runs while the welcome is awaited
 * @returns how it ended; never rejects
 */
export async function runModuleMain(
  channel: Channel,
  load: () => Promise<ModuleMain>,
  { kind, symbols, generations }: HostedModule = {},
): Promise<ModuleOutcome> {
  try {
    const [handle, entry] = await Promise.all([connectAs(channel, "module"), settle(load)]);
    handle.tellsMethods = kind !== undefined || symbols !== undefined;
    noteGenerations(handle, generations?.() ?? 1);
    registerDefaultHandlers(handle);
    const outcome = "error" in entry ? failure(entry.error) : await runEntry(handle, entry.main);
    await reportEnd(handle, outcome);
    return outcome;
  } catch (error) {
    return failure(error);
  }
}

function noteGenerations(handle: ChannelHandle, count: number): void {
  handle.generations = count;
  if (count % GENERATIONS_LOGGED !== 0) return;
  handle.log("warning", `${count} versions of the file of this module are in memory until its thread ends`);
}

/** A module that cannot be loaded must still receive the welcome, so that it can report why. */
async function settle(load: () => Promise<ModuleMain>): Promise<{ main: ModuleMain } | { error: unknown }> {
  try {
    return { main: await load() };
  } catch (error) {
    return { error };
  }
}

async function runEntry(handle: ChannelHandle, main: ModuleMain): Promise<ModuleOutcome> {
  const { loop } = handle;
  const failed = new Promise<never>((_resolve, reject) => {
    loop.onFailure(reject);
  });
  try {
    await Promise.race([main(handle, ...handle.args), failed]);
  } catch (error) {
    return failure(error);
  }
  if (loop.failure !== undefined) return failure(loop.failure);
  if (loop.ran) return { kind: "ok" };
  return failure(
    new SluiceError("LOAD_FAILED", "module returned before it was running", { errnum: ERRNO.ECONNRESET }),
  );
}

function failure(error: unknown): ModuleOutcome {
  const errnum = errnumOf(error);
  const stack = errnum === undefined ? stackOf(error) : undefined;
  return { kind: "error", message: messageOf(error), errnum: errnum ?? ERRNO.ECONNRESET, stack };
}

async function reportEnd(handle: ChannelHandle, outcome: ModuleOutcome): Promise<void> {
  handle.refuseRequests();
  if (handle.loop.ran) await reportFinalizing(handle);
  if (handle.isOpen) handle.notify("module.status", { status: MODULE_STATUS.exited, ...reportOf(outcome) });
  await handle.close();
}

/**
 * The answer means that no more requests will come. By then the module has refused every request that had been sent
 * before it.
 */
async function reportFinalizing(handle: ChannelHandle): Promise<void> {
  try {
    await handle.rpc("module.status", { status: MODULE_STATUS.finalizing });
  } catch (error) {
    // The broker has gone, or has no such service. The module ends in any case.
    handle.log("debug", `module.status: ${messageOf(error)}`);
  }
}

function reportOf(outcome: ModuleOutcome): { errnum: number; error?: string; stack?: string } {
  if (outcome.kind === "ok") return { errnum: 0 };
  const { errnum, message, stack } = outcome;
  return { errnum, error: message, ...(stack !== undefined && { stack }) };
}

import { realpath } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { ERRNO, errnumOf, messageOf } from "../../errors/index.js";
import {
  createProcessLoader,
  createProgramLoader,
  createPythonLoader,
  createThreadLoader,
  importInProcess,
  isAddon,
  LoaderRegistry,
  type ModuleLoader,
} from "../../loaders/index.js";
import {
  type Limits,
  type PluginDemand,
  type PluginFunction,
  pluginFunctions,
  withinLimits,
} from "../../messages/index.js";
import { createFileGuard, INSECURE, refuseInsecure } from "../../units/index.js";
import { digestOf } from "../digest.js";
import { pluginError, PluginProcess } from "./plugin-process.js";

/**
 * Kinds of plug-ins: name → the functions that a plug-in of the kind has. A program adds its own, and they give
 * `loadPlugin` its types:
 *
 * ```ts
 * declare module "sluice" {
 *   interface PluginKinds { "sched-policy": { select(queue: readonly Job[], free: number): number } }
 * }
 * ```
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- it is there to be added to
export interface PluginKinds {}

type AnyFunction = (...args: never[]) => unknown;

/** Functions of a plug-in, each of which returns a promise. */
export type Plugin<Functions> = {
  readonly [Symbol in keyof Functions]: Functions[Symbol] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

/** How to load a plug-in, besides its required exports. */
export interface PluginOptions {
  /** The name of the plug-in in errors. Default: the base name of the file up to its first dot. */
  readonly name?: string | undefined;
  /**
   * Load a Node-API addon into this process, which then ends if the addon crashes. Default: the addon has its
   * own process.
   */
  readonly inProcess?: boolean | undefined;
  /** Run JavaScript and TypeScript in a separate process. Default: in this process. */
  readonly exec?: boolean | undefined;
  /** Name of a loader. Default: depends on the file. */
  readonly loader?: string | undefined;
  /** Cancels the load, which fails with `ECANCELED`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How long the loading may take, in milliseconds. Default: 10 s for a plug-in in its own process, else
   * without a limit.
   */
  readonly timeoutMs?: number | undefined;
  /** Load the plug-in even if other users may write to its file (docs/design/instance.md §2). */
  readonly insecure?: boolean | undefined;
}

const LOAD_MS = 10_000;

/** The function that unloads each plug-in. */
const unloaders = new WeakMap<object, () => Promise<void>>();

/** Digests of the files that this process has imported, because Node keeps a file as it was at its first import. */
const imported = new Map<string, string>();

/**
 * Loads a plug-in, which is a file with functions that a program calls (docs/design/modules.md §6).
 * JavaScript and TypeScript run in this thread. Addons, Python files and programs run in their own process,
 * where arguments and results are JSON. If a plug-in throws, crashes or ends by a signal, the call rejects
 * with an error that names it.
 * @param path of the file; relative paths start at the working directory
 * @returns an object with exactly the requested functions, which all return promises
 * @throws SluiceError `LOAD_PLUGIN` if a function is missing, the kind differs, or the plug-in does not run.
 *   `UNIT_INSECURE`, `LOAD_NO_LOADER`, or a system error for the file itself. The plug-in's functions reject
 *   with `PLUGIN_FAILED`: the errno of the error that they throw, else `EIO`; `ECONNRESET` if its process
 *   ends; `ECANCELED` after {@link unloadPlugin}
 */
export function loadPlugin<Kind extends keyof PluginKinds, Symbol extends keyof PluginKinds[Kind] & string>(
  path: string,
  demand: PluginOptions & { readonly kind: Kind; readonly symbols: readonly Symbol[] },
): Promise<Plugin<Pick<PluginKinds[Kind], Symbol>>>;
export function loadPlugin<
  Functions extends Readonly<Record<keyof Functions, AnyFunction>>,
  Kind extends string = string,
>(
  path: string,
  demand: PluginOptions & {
    /** For a kind of {@link PluginKinds}, TypeScript has the types of the functions. */
    readonly kind?: Kind extends keyof PluginKinds ? never : Kind;
    readonly symbols: readonly (keyof Functions & string)[];
  },
): Promise<Plugin<Functions>>;
export async function loadPlugin(path: string, demand: PluginOptions & PluginDemand): Promise<object> {
  const given = resolve(path);
  refuseInsecure(demand.insecure === true ? INSECURE : createFileGuard(), given);
  const file = await realpath(given);
  const name = demand.name ?? basename(file).replace(/(?<=.)\..*$/, "");
  const registry = new LoaderRegistry([
    createProgramLoader(),
    createPythonLoader(),
    createProcessLoader(),
    createThreadLoader(),
  ]);
  const loader = await registry.choose(file, demand);
  if (loader.name === "thread" || (demand.inProcess === true && isAddon(file))) {
    return withinLimits(`loading of ${name}`, demand, loadHere(file, name, demand));
  }
  if (demand.inProcess !== true) return loadInProcess({ file, name, loader }, demand);
  const text = `cannot run in this process: its loader is ${loader.name}`;
  throw pluginError("LOAD_PLUGIN", name, text, ERRNO.EINVAL);
}

/**
 * Ends a plug-in and its own process, if any. Its functions then reject with `ECANCELED`. A second call has
 * no effect.
 * @param plugin from {@link loadPlugin}
 * @param limits how long to wait for the end, which comes in any case
 */
export async function unloadPlugin(plugin: object, limits: Limits = {}): Promise<void> {
  await withinLimits("unloading of the plug-in", limits, unloaders.get(plugin)?.() ?? Promise.resolve());
}

/** Loads a plug-in into this thread. */
async function loadHere(file: string, name: string, demand: PluginDemand): Promise<object> {
  const digest = await digestOf(file);
  const known = imported.get(file);
  if (known !== undefined && known !== digest) {
    const text = `${file} has changed since its import; this process keeps the old code; restart the process to load the new file`;
    throw pluginError("LOAD_PLUGIN", name, text, ERRNO.EBUSY);
  }
  imported.set(file, digest);
  const functions = pluginFunctions(await importInProcess(file), file, demand);
  let isLoaded = true;
  const call = async (symbol: string, code: PluginFunction, args: readonly unknown[]): Promise<unknown> => {
    if (!isLoaded) throw pluginError("PLUGIN_FAILED", name, "is unloaded", ERRNO.ECANCELED);
    try {
      return await code(...args);
    } catch (cause) {
      throw pluginError("PLUGIN_FAILED", `${name}.${symbol}`, messageOf(cause), errnumOf(cause), cause);
    }
  };
  const entries = [...functions].map(
    ([symbol, code]) => [symbol, (...args: readonly unknown[]) => call(symbol, code, args)] as const,
  );
  return withUnload(entries, () => {
    isLoaded = false;
    return Promise.resolve();
  });
}

interface Found {
  readonly file: string;
  readonly name: string;
  readonly loader: ModuleLoader;
}

async function loadInProcess(
  { file, name, loader }: Found,
  { kind, symbols, signal, timeoutMs = LOAD_MS }: PluginOptions & PluginDemand,
): Promise<object> {
  const running = await loader.start({
    ...{ name, uuid: name, path: file, args: [], thread: "own" },
    plugin: { kind, symbols },
  });
  const process = new PluginProcess(name, running);
  const methods = await process.ready({ signal, timeoutMs });
  const missing = symbols.filter((symbol) => !methods.includes(symbol));
  if (missing.length > 0) {
    await process.unload();
    throw pluginError("LOAD_PLUGIN", name, `${file} has no function ${missing.join(", ")}`, ERRNO.EINVAL);
  }
  const entries = symbols.map(
    (symbol) => [symbol, (...args: readonly unknown[]) => process.call(symbol, args)] as const,
  );
  return withUnload(entries, () => process.unload());
}

function withUnload(
  entries: readonly (readonly [string, (...args: readonly unknown[]) => Promise<unknown>])[],
  unload: () => Promise<void>,
): object {
  const plugin = Object.freeze(Object.fromEntries(entries));
  let done: Promise<void> | undefined;
  unloaders.set(plugin, () => (done ??= unload()));
  return plugin;
}

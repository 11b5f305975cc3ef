import { availableParallelism } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { MessageChannel } from "node:worker_threads";
import { portChannel } from "../messages/index.js";
import { Transpiler } from "../typescript/index.js";
import { isAddon } from "./native/is-addon.js";
import { HostWorker } from "./host-worker.js";
import { readAddonLibrary } from "./library-addon.js";
import { readScriptLibrary } from "./library-thread.js";
import { checkModuleFile, moduleFile, SCRIPT_SUFFIXES } from "./module-file.js";
import { readExportedName } from "./module-name.js";
import type { LibraryQuery, ModuleLoader, ModuleSpec, RunningModule } from "./module-loader.js";

/** The name of shared threads in a unit or in the attribute `broker.default-thread`. */
const SHARED = "shared";

/** The loader of threads, which can have a thread ready before it has a module for it. */
export interface ThreadLoader extends ModuleLoader {
  /**
   * Starts a thread, which the first module with this environment that needs one takes.
   * @param env the environment of modules
   */
  prepare(env: Readonly<Record<string, string>>): void;
  /** Ends the thread if no module has taken it. */
  release(): Promise<void>;
}

/**
 * The loader of JavaScript and TypeScript modules in worker threads (docs/design/modules.md §4). Each has a
 * thread of its own, or all modules of a thread group share one. Two brokers in one process have groups of
 * their own, because loaders share nothing.
 */
export function createThreadLoader(): ThreadLoader {
  return new WorkerLoader();
}

class WorkerLoader implements ThreadLoader {
  readonly name = "thread";
  readonly suffixes = SCRIPT_SUFFIXES;
  readonly #transpiler = new Transpiler();
  readonly #groups = new Map<string, HostWorker>();
  #prepared: { readonly env: Readonly<Record<string, string>>; readonly worker: HostWorker } | undefined;

  readModuleName(path: string): Promise<string | undefined> {
    return readExportedName(path);
  }

  check(spec: Pick<ModuleSpec, "path" | "cacheDir">): Promise<void> {
    return checkModuleFile(spec, this.#transpiler);
  }

  readLibrary(query: LibraryQuery): Promise<unknown> {
    const read = isAddon(query.path) ? readAddonLibrary : readScriptLibrary;
    return read(query, this.#transpiler);
  }

  prepare(env: Readonly<Record<string, string>>): void {
    this.#prepared ??= { env, worker: new HostWorker(env) };
  }

  async release(): Promise<void> {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    await prepared?.worker.discard();
  }

  async start(spec: ModuleSpec): Promise<RunningModule> {
    const file = await moduleFile(spec, this.#transpiler);
    const { worker, group } = this.#workerFor(spec);
    const { port1, port2 } = new MessageChannel();
    // This happens before the port is sent, so that no early message is lost.
    const channel = portChannel(port1);
    const exited = worker.load({ ...file, name: spec.name, port: port2 });
    return {
      channel,
      exited: exited.promise,
      terminate: () => worker.terminate(exited.id),
      sharedThread: group === undefined ? undefined : { name: group, blame: () => worker.blame() },
      setRef: (isRef) => worker.setRef(isRef),
    };
  }

  #workerFor({ thread, env, log }: ModuleSpec): { readonly worker: HostWorker; readonly group?: string } {
    if (thread === "own") return { worker: this.#newWorker(env).use({ name: "own thread" }) };
    const group = thread === SHARED ? this.#emptiest() : thread;
    const running = this.#groups.get(group);
    if (running?.isOpen === true) return { worker: running, group };
    const worker = this.#newWorker(env).use({ name: `thread group '${group}'`, log, isShared: true });
    this.#groups.set(group, worker);
    return { worker, group };
  }

  /** The thread that is ready, if it has this environment and still runs. */
  #newWorker(env: ModuleSpec["env"]): HostWorker {
    const prepared = this.#prepared;
    if (prepared?.worker.isOpen !== true || !isDeepStrictEqual(prepared.env, env)) return new HostWorker(env);
    this.#prepared = undefined;
    return prepared.worker;
  }

  /** The shared thread with the fewest modules: there are as many as cores, each started when it is first needed. */
  #emptiest(): string {
    const sizeOf = (group: string): number => {
      const worker = this.#groups.get(group);
      return worker?.isOpen === true ? worker.size : 0;
    };
    const names = Array.from({ length: availableParallelism() }, (_, at) => `${SHARED}-${at + 1}`);
    return names.reduce((best, name) => (sizeOf(name) < sizeOf(best) ? name : best));
  }
}

import { MessageChannel } from "node:worker_threads";
import { portChannel } from "../messages/index.js";
import { Transpiler } from "../typescript/index.js";
import { HostWorker } from "./host-worker.js";
import { readScriptLibrary } from "./library-thread.js";
import { checkModuleFile, moduleFile, SCRIPT_SUFFIXES } from "./module-file.js";
import { readExportedName } from "./module-name.js";
import type { LibraryQuery, ModuleLoader, ModuleSpec, RunningModule } from "./module-loader.js";

/**
 * The loader of JavaScript and TypeScript modules in worker threads (docs/design/modules.md §4): a thread of its own
 * for each, or one for all modules of a thread group. Loaders share nothing, so two brokers in one process have groups
 * of their own.
 */
export function createThreadLoader(): ModuleLoader {
  return new ThreadLoader();
}

class ThreadLoader implements ModuleLoader {
  readonly name = "thread";
  readonly suffixes = SCRIPT_SUFFIXES;
  readonly #transpiler = new Transpiler();
  readonly #groups = new Map<string, HostWorker>();

  readModuleName(path: string): Promise<string | undefined> {
    return readExportedName(path);
  }

  check(spec: Pick<ModuleSpec, "path" | "cacheDir">): Promise<void> {
    return checkModuleFile(spec, this.#transpiler);
  }

  readLibrary(query: LibraryQuery): Promise<unknown> {
    return readScriptLibrary(query, this.#transpiler);
  }

  async start(spec: ModuleSpec): Promise<RunningModule> {
    const file = await moduleFile(spec, this.#transpiler);
    const worker = this.#workerFor(spec);
    const { port1, port2 } = new MessageChannel();
    // Before the port is sent, so that nothing which comes early is lost.
    const channel = portChannel(port1);
    const exited = worker.load({ ...file, port: port2 });
    return { channel, exited: exited.promise, terminate: () => worker.terminate(exited.id) };
  }

  #workerFor({ thread, env }: ModuleSpec): HostWorker {
    if (thread === "own") return new HostWorker({ name: "own thread", env });
    const running = this.#groups.get(thread);
    if (running?.isOpen === true) return running;
    const worker = new HostWorker({ name: `thread group '${thread}'`, env });
    this.#groups.set(thread, worker);
    return worker;
  }
}

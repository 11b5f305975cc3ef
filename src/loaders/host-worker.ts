import type { MessagePort, Worker } from "node:worker_threads";
import { errnumOf, messageOf, stackOf } from "../errors/index.js";
import { type Mark, moduleEndText, partEnvironment, startThread, sweep } from "../processes/index.js";
import { hostSetup } from "./module-file.js";
import type { ModuleExit } from "./module-loader.js";
import type { WorkerOrder, WorkerReport } from "./thread-protocol.js";

interface HostOptions {
  /** For messages. */
  readonly name: string;
  /** Default: a copy of that of this process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** A module that is being loaded, without what the worker numbers itself. */
type LoadOrder = Omit<WorkerOrder & { readonly kind: "load" }, "kind" | "id">;

/** A module in a worker: its number there, and how it ended. */
interface HostedModule {
  readonly id: number;
  readonly promise: Promise<ModuleExit>;
}

interface LiveModule {
  settle(exit: ModuleExit): void;
}

// This form holds both in dist/loaders and in the bundled command line next to it.
const THREAD_MAIN = new URL("../loaders/thread-main.cjs", import.meta.url);

/**
 * A worker thread and the modules in it.
 *
 * It is open while it has modules, and for the first; when the last has ended it is told to exit, and a group's next
 * module gets a new one. When the thread dies every module in it has ended.
 */
export class HostWorker {
  readonly #name: string;
  readonly #worker: Worker;
  readonly #mark: Mark | undefined;
  readonly #modules = new Map<number, LiveModule>();
  readonly #exited: Promise<void>;
  #lastId = 0;
  #state: "open" | "exiting" | "exited" = "open";
  /** What the worker threw; its exit follows. */
  #uncaught: { readonly error: unknown } | undefined;
  #terminating: { readonly id: number } | undefined;
  /** Outcomes of modules that are reported once the thread has gone. */
  #last: { readonly module: LiveModule; readonly exit: ModuleExit } | undefined;

  constructor({ name, env }: HostOptions) {
    this.#name = name;
    const marked = partEnvironment(env ?? process.env);
    this.#mark = marked.mark;
    this.#worker = startThread(THREAD_MAIN, {
      workerData: hostSetup(),
      env: marked.env,
      // Standard output is for results of commands.
      stdout: true,
    });
    this.#worker.stdout.on("data", (chunk: Buffer) => process.stderr.write(chunk));
    this.#worker.on("message", (report: WorkerReport) => this.#ended(report));
    this.#worker.on("error", (error: unknown) => {
      this.#uncaught = { error };
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", (status) => {
        // A module that ends in order sees to what it has started.
        if (this.#last === undefined) void sweep(this.#mark);
        this.#gone(status);
        resolve();
      });
    });
  }

  /** Whether it takes further modules. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  load(order: LoadOrder): HostedModule {
    const id = ++this.#lastId;
    const promise = new Promise<ModuleExit>((resolve) => {
      this.#modules.set(id, { settle: resolve });
    });
    this.#order({ kind: "load", id, ...order }, [order.port]);
    return { id, promise };
  }

  /** Ends the thread at once, and every module in it. */
  async terminate(id: number): Promise<void> {
    if (this.#state === "exited") return;
    this.#state = "exiting";
    this.#terminating ??= { id };
    await this.#worker.terminate();
    await this.#exited;
  }

  #order(order: WorkerOrder, transfer: readonly MessagePort[] = []): void {
    this.#worker.postMessage(order, transfer);
  }

  #ended({ id, outcome }: WorkerReport): void {
    const module = this.#modules.get(id);
    if (module === undefined) return;
    this.#modules.delete(id);
    if (this.#modules.size > 0) {
      module.settle(outcome);
      return;
    }
    this.#last = { module, exit: outcome };
    this.#state = "exiting";
    this.#order({ kind: "exit" });
  }

  #gone(status: number): void {
    this.#state = "exited";
    this.#last?.module.settle(this.#last.exit);
    for (const [id, module] of this.#modules) module.settle(this.#exitBy(id, status));
    this.#modules.clear();
  }

  #exitBy(id: number, status: number): ModuleExit {
    if (this.#terminating !== undefined) {
      return this.#terminating.id === id
        ? { kind: "terminated" }
        : { kind: "died", message: `${this.#name} was terminated` };
    }
    if (this.#uncaught === undefined)
      return { kind: "died", message: moduleEndText({ kind: "exited", status }) };
    const { error } = this.#uncaught;
    const message = messageOf(error);
    if (isOutOfMemory(error)) return { kind: "died", message };
    const stack = stackOf(error);
    return { kind: "error", message, errnum: errnumOf(error), stack };
  }
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
}

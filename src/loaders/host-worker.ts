import type { MessagePort, Worker } from "node:worker_threads";
import { errnumOf, messageOf, stackOf } from "../errors/index.js";
import { stackOfThread } from "./shared-thread/blocked-stack.js";
import { type Mark, moduleEndText, partEnvironment, setRefOf, sweep } from "../processes/index.js";
import { startHostThread } from "./host-thread.js";
import type { ModuleExit, ModuleSpec } from "./module-loader.js";
import { type Blame, blameFor, type ThreadTenant } from "./shared-thread/thread-blame.js";
import { ThreadMonitor } from "./shared-thread/thread-monitor.js";
import type { WorkerOrder, WorkerReport } from "./thread-protocol.js";

/** The purpose of a worker. */
interface HostUse {
  /** For messages. */
  readonly name: string;
  /** Whether several modules share it, so that a module that blocks it harms the others. */
  readonly isShared?: boolean | undefined;
  /** Gets messages about a shared thread. */
  readonly log?: ModuleSpec["log"];
}

/** A module that is being loaded, without the fields that the worker adds itself. */
type LoadOrder = Omit<WorkerOrder & { readonly kind: "load" }, "kind" | "id" | "current"> & {
  readonly name: string;
};

/** A module in a worker: its number there, and its end. */
interface HostedModule {
  readonly id: number;
  readonly promise: Promise<ModuleExit>;
}

interface LiveModule extends ThreadTenant {
  settle(exit: ModuleExit): void;
}

/**
 * A worker thread and the modules in it.
 *
 * It is open while it has modules, and before its first one. When the last module has ended, the thread gets
 * the order to exit. The next module of the group gets a new thread. When the thread ends, every module in it
 * has ended.
 */
export class HostWorker {
  #name = "";
  readonly #worker: Worker;
  readonly #mark: Mark | undefined;
  readonly #modules = new Map<number, LiveModule>();
  readonly #exited: Promise<void>;
  #log: ModuleSpec["log"];
  /** The number of the module that received a message last. */
  #current: Int32Array | undefined;
  #monitor: ThreadMonitor | undefined;
  #lastId = 0;
  #state: "open" | "exiting" | "exited" = "open";
  /** The error that the worker threw. Its exit follows. */
  #uncaught: { readonly error: unknown } | undefined;
  #terminating: { readonly id: number } | undefined;
  /** Ends of modules that are reported after the thread has ended. */
  #last: { readonly module: LiveModule; readonly exit: ModuleExit } | undefined;

  /** @param env default: a copy of the environment of this process */
  constructor(env?: Readonly<Record<string, string>>) {
    const marked = partEnvironment(env ?? process.env);
    this.#mark = marked.mark;
    this.#worker = startHostThread(marked.env);
    this.#worker.on("message", (report: WorkerReport) => {
      if (report.kind === "beat") this.#monitor?.answered();
      else if (report.kind === "ended") this.#ended(report);
    });
    this.#worker.on("error", (error: unknown) => {
      this.#uncaught = { error };
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", (status) => {
        // A module that ends cleanly also ends the processes that it has started.
        if (this.#last === undefined) void sweep(this.#mark);
        this.#gone(status);
        resolve();
      });
    });
  }

  /** Sets the use of the worker, before its first module. */
  use({ name, isShared = false, log }: HostUse): this {
    this.#name = name;
    this.#log = log;
    this.#current = isShared ? new Int32Array(new SharedArrayBuffer(4)) : undefined;
    this.#monitor = isShared ? this.#watched() : undefined;
    return this;
  }

  /** Whether it accepts further modules. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** How many modules it has. */
  get size(): number {
    return this.#modules.size;
  }

  load({ name, ...order }: LoadOrder): HostedModule {
    const id = ++this.#lastId;
    const promise = new Promise<ModuleExit>((resolve) => {
      this.#modules.set(id, { id, name, path: order.path, settle: resolve });
    });
    this.#order({ kind: "load", id, ...order, current: this.#current }, [order.port]);
    return { id, promise };
  }

  /** Whether the thread keeps this process alive. */
  setRef(isRef: boolean): void {
    setRefOf(this.#worker, isRef);
  }

  /** Ends a thread that no module has taken. */
  async discard(): Promise<void> {
    await this.terminate(0);
  }

  /** Ends the thread at once, and every module in it. */
  async terminate(id: number): Promise<void> {
    if (this.#state === "exited") return;
    this.#state = "exiting";
    // Each call of Node adds a listener. All modules of a thread end together.
    if (this.#terminating === undefined) void this.#worker.terminate();
    this.#terminating ??= { id };
    await this.#exited;
  }

  /** The module that holds the thread, and the place in its code. */
  async blame(): Promise<Blame> {
    const calls = await stackOfThread(this.#worker.threadId);
    return blameFor([...this.#modules.values()], calls ?? [], this.#current?.[0] ?? 0);
  }

  #watched(): ThreadMonitor {
    return new ThreadMonitor({
      worker: this.#worker,
      beat: () => this.#order({ kind: "beat" }),
      blocked: () => {
        void this.blame().then((blame) => this.#log?.("warning", blockedText(this.#name, blame)));
      },
    });
  }

  #order(order: WorkerOrder, transfer: readonly MessagePort[] = []): void {
    this.#worker.postMessage(order, transfer);
  }

  #ended({ id, outcome }: WorkerReport & { readonly kind: "ended" }): void {
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
    this.#monitor?.stop();
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

/** A line for the log such as `motd blocks thread group 'yard' for over 1 s`, with its stack. */
function blockedText(thread: string, { name, stack }: Blame): string {
  const what = name === undefined ? `${thread} is blocked` : `${name} blocks ${thread}`;
  return [`${what} for over 1 s`, ...stack.map((line) => `    ${line}`)].join("\n");
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
}

import { AsyncLocalStorage } from "node:async_hooks";
import { StringDecoder } from "node:string_decoder";
import { messageOf, SluiceError } from "../errors/index.js";
import type { Handle } from "../messages/index.js";
import { siteInFile } from "./declaration-site.js";
import { type ContextHost, HostContext } from "./host-context.js";
import { HostMirror } from "./host-mirror.js";
import type { FromHost, JsonObject, ReadFailure, SetupEffect, TaskReport, ToHost } from "./host-protocol.js";
import { StandIns } from "./stand-ins/stand-ins.js";
import { type DeclaredTask, type SetupFunction, takeDeclaredTasks } from "./task.js";

/** The functions that the process of a {@link ScriptHost} provides. */
export interface ScriptHostPorts {
  send(message: FromHost): void;
  /** Imports an rc file, for a plan with stand-ins for missing imports. */
  load(file: string, cacheDir: string | undefined, standIns: StandIns | undefined): Promise<object>;
  /** Connects to the instance. */
  connect(): Promise<Handle>;
  readonly env: NodeJS.ProcessEnv;
  exit(): void;
}

/** The host of TypeScript and JavaScript rc files, in its own process: reads files, keeps their tasks, runs them. */
export class ScriptHost implements ContextHost {
  readonly mirror: HostMirror;
  readonly #ports: ScriptHostPorts;
  readonly #tasks = new Map<string, DeclaredTask>();
  readonly #running = new Map<string, AbortController>();
  readonly #replies = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  readonly #task = new AsyncLocalStorage<string>();
  /** By stream and task: a chunk may end inside a character. */
  readonly #decoders = new Map<string, StringDecoder>();
  #cacheDir: string | undefined;
  #connection: Promise<Handle | SluiceError> | undefined;
  #handle: Handle | SluiceError = new SluiceError("BROKER_UNREACHABLE", "no handle before setup()");
  #lastId = 0;

  constructor(ports: ScriptHostPorts) {
    this.#ports = ports;
    this.mirror = new HostMirror(ports.env);
  }

  receive(message: ToHost): void {
    switch (message.op) {
      case "init":
        this.#cacheDir = message.cacheDir;
        this.mirror.update(message.state);
        return;
      case "read":
        void this.#read(message);
        return;
      case "run":
        void this.#run(message.task);
        return;
      case "cancel":
        this.#cancel(message.task);
        return;
      case "update":
        this.mirror.update(message.state);
        return;
      case "reply":
        this.#settle(message.id, message.error);
        return;
      case "exit":
        this.#ports.exit();
    }
  }

  send(message: FromHost): void {
    this.#ports.send(message);
  }

  ask(make: (id: number) => FromHost): Promise<void> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#replies.set(id, { resolve, reject });
      this.send(make(id));
    });
  }

  handle(): Handle | SluiceError {
    return this.#handle;
  }

  output(stream: "stdout" | "stderr", chunk: Buffer | string): void {
    const task = this.#task.getStore();
    const key = `${stream} ${task ?? ""}`;
    const decoder = this.#decoders.get(key) ?? new StringDecoder("utf8");
    this.#decoders.set(key, decoder);
    this.#sendOutput(stream, decoder.write(chunk), task);
  }

  #sendOutput(stream: "stdout" | "stderr", text: string, task: string | undefined): void {
    if (text !== "") this.send({ op: "output", stream, text, ...(task === undefined ? {} : { task }) });
  }

  #endOutput(task: string): void {
    for (const stream of ["stdout", "stderr"] as const) {
      this.#sendOutput(stream, this.#decoders.get(`${stream} ${task}`)?.end() ?? "", task);
      this.#decoders.delete(`${stream} ${task}`);
    }
  }

  #cancel(task: string): void {
    const reason = new SluiceError("RUN_CANCELLED", "cancelled", { unit: task });
    // Listeners of the signal print under the name of the task.
    this.#task.run(task, () => this.#running.get(task)?.abort(reason));
  }

  #settle(id: number, error: string | undefined): void {
    const waiting = this.#replies.get(id);
    this.#replies.delete(id);
    if (error === undefined) waiting?.resolve();
    else waiting?.reject(new SluiceError("RC_FAILED", error));
  }

  async #read({ file, setup: withSetup, standIns: isPlan }: ToHost & { readonly op: "read" }): Promise<void> {
    let phase: "read" | "setup" = "read";
    const standIns = isPlan === true ? new StandIns(file) : undefined;
    try {
      const module = await this.#ports.load(file, this.#cacheDir, standIns);
      this.#declare(file, takeDeclaredTasks(), standIns);
      phase = "setup";
      const effects = withSetup ? await this.#setup(module, standIns) : [];
      const { names = [], uses = [] } = standIns ?? {};
      this.send({ op: "read", file, effects, ...(names.length === 0 ? {} : { standIns: names, uses }) });
    } catch (error) {
      takeDeclaredTasks();
      this.send({ op: "read", file, failure: { phase, ...readFailure(error, file) } });
    }
  }

  #declare(file: string, tasks: readonly DeclaredTask[], standIns: StandIns | undefined): void {
    const reports: TaskReport[] = [];
    for (const task of tasks) {
      this.#tasks.set(task.name, task);
      const site = siteInFile(task.stack, file);
      const known = Object.entries(task.keys).filter(
        ([key, value]) => standIns?.decides(`the ${key} of task ${task.name}`, [value], site.line) !== true,
      );
      reports.push({ name: task.name, keys: asJson(Object.fromEntries(known)), ...site });
    }
    this.send({ op: "tasks", file, tasks: reports });
  }

  async #setup(module: object, standIns: StandIns | undefined): Promise<readonly SetupEffect[]> {
    if (!("setup" in module) || module.setup === undefined) return [];
    const { setup } = module;
    if (!isSetup(setup)) throw new SluiceError("RC_INVALID", "setup is exported, but is not a function");
    await this.#connected();
    const effects: SetupEffect[] = [];
    const context = new HostContext(this, new AbortController().signal, { effects, standIns });
    await setup(context);
    await context.settle();
    return effects;
  }

  async #run(name: string): Promise<void> {
    const controller = new AbortController();
    this.#running.set(name, controller);
    try {
      const task = this.#tasks.get(name);
      if (task === undefined)
        throw new SluiceError("RC_FAILED", `the rc files have no code for task ${name}`);
      await this.#connected();
      const context = new HostContext(this, controller.signal);
      await this.#task.run(name, async () => task.run(context));
      await context.settle();
      this.#endOutput(name);
      this.send({ op: "end", task: name });
    } catch (error) {
      const stack = error instanceof Error ? { stack: error.stack ?? "" } : {};
      this.#endOutput(name);
      this.send({ op: "end", task: name, error: { message: messageOf(error), ...stack } });
    } finally {
      this.#running.delete(name);
    }
  }

  /** Opens the handle before the first code that may use it runs; without an instance that code still runs. */
  async #connected(): Promise<void> {
    this.#connection ??= this.#ports.connect().catch((cause: unknown) => {
      if (cause instanceof SluiceError) return cause;
      return new SluiceError("BROKER_UNREACHABLE", messageOf(cause), { cause });
    });
    this.#handle = await this.#connection;
  }
}

function readFailure(error: unknown, file: string): Omit<ReadFailure, "phase"> {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const message = messageOf(error);
  const site = siteInFile(`${message}\n${stack}`, file);
  // The parser puts the place into its message. The output has it in front. For a missing module the message
  // also has the chain of modules that require it, with those of our own loader.
  const [first = message] = message.split("\nRequire stack:");
  const place = `${file}:${site.line}:${site.column}`;
  const words = first.replace(`${place}: `, "").replace(place, "").trim();
  const hint = error instanceof SluiceError ? error.hint : undefined;
  return { message: words, ...site, stack, ...(hint !== undefined && { hint }) };
}

function isSetup(value: unknown): value is SetupFunction {
  return typeof value === "function";
}

/** The keys in the wire form, which has no functions. */
function asJson(keys: Readonly<Record<string, unknown>>): JsonObject {
  return JSON.parse(JSON.stringify(keys)) as JsonObject;
}

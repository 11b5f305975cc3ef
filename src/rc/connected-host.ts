import { messageOf, SluiceError } from "../errors/index.js";
import type { RcFileReport, RcHost, RcHostListener, ReadMode } from "./host-port.js";
import type { FromHost, HostState, ReadFailure, RemoteError, TaskReport, ToHost } from "./host-protocol.js";
import { OutputLines } from "./output-lines.js";

/** A file that its host could not read, or whose `setup()` failed. */
export class RcReadError extends Error {
  override readonly name = "RcReadError";
  readonly failure: ReadFailure;

  constructor(failure: ReadFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** One `read` or `run` that the host has not answered. */
interface Pending<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

interface PendingRead extends Pending<RcFileReport> {
  readonly file: string;
  tasks: readonly TaskReport[];
}

interface PendingRun extends Pending<void> {
  /** The reason of the signal that abandoned it. The host ends as soon as only such requests are left. */
  givenUp: Error | undefined;
}

/** The end of a host. */
export interface HostEnd {
  /** The last part of `the NAME host of rc files HOW`. */
  readonly how: string;
  readonly cause?: unknown;
}

/** The process or thread of a host, and the connection to it. */
export interface HostTransport {
  readonly name: string;
  send(message: ToHost): void;
  /** Ends the host at once. */
  kill(): void;
  /** Resolves when the host has ended and all its messages have been passed on. */
  readonly ended: Promise<HostEnd>;
}

/** The events of a transport. */
export interface HostTalk {
  readonly receive: (message: FromHost) => void;
  /** Output outside of all tasks. */
  readonly output: OutputLines;
}

/** How to start a host. */
export interface HostStart {
  readonly open: (talk: HostTalk) => HostTransport;
  readonly state: HostState;
  readonly cacheDir?: string | undefined;
}

/** Milliseconds that a host may take to exit by itself. */
const EXIT_MS = 1000;

/** An {@link RcHost} that is driven by the messages of host-protocol.ts, in a process or a thread. */
export class ConnectedHost implements RcHost {
  readonly #transport: HostTransport;
  readonly #listener: RcHostListener;
  readonly #output: OutputLines;
  readonly #runs = new Map<string, PendingRun>();
  readonly #ended: Promise<void>;
  #reading: PendingRead | undefined;
  #fatal: string | undefined;
  #doomed = false;

  constructor({ open, state, cacheDir }: HostStart, listener: RcHostListener) {
    this.#listener = listener;
    this.#output = new OutputLines((line) => listener.output(line));
    this.#transport = open({ receive: (message) => this.#handle(message), output: this.#output });
    this.#ended = this.#watch(this.#transport.ended);
    this.#send({ op: "init", state, ...(cacheDir === undefined ? {} : { cacheDir }) });
  }

  get doomed(): boolean {
    return this.#doomed;
  }

  read(file: string, { setup, standIns }: ReadMode): Promise<RcFileReport> {
    return new Promise((resolve, reject) => {
      if (this.#doomed) {
        reject(this.#gone("is gone"));
        return;
      }
      this.#reading = { file, tasks: [], resolve, reject };
      this.#send({ op: "read", file, setup, ...(standIns ? { standIns } : {}) });
    });
  }

  async run(task: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    let giveUp: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        if (this.#doomed) {
          reject(this.#gone("is gone"));
          return;
        }
        const pending: PendingRun = { resolve, reject, givenUp: undefined };
        this.#runs.set(task, pending);
        giveUp = () => this.#giveUp(task, pending, asError(signal.reason));
        signal.addEventListener("abort", giveUp);
        this.#send({ op: "run", task });
      });
    } finally {
      if (giveUp !== undefined) signal.removeEventListener("abort", giveUp);
    }
  }

  update(state: HostState): void {
    this.#send({ op: "update", state });
  }

  async close(): Promise<void> {
    this.#doomed = true;
    this.#send({ op: "exit" });
    const timer = setTimeout(() => this.#kill(), EXIT_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  #giveUp(task: string, pending: PendingRun, reason: Error): void {
    pending.givenUp = reason;
    this.#doomed = true;
    this.#send({ op: "cancel", task });
    this.#killIfDone();
  }

  /** Other tasks of a host may still end before the host is killed (docs/design/planning.md §7). */
  #killIfDone(): void {
    if (!this.#doomed || this.#reading !== undefined) return;
    for (const { givenUp } of this.#runs.values()) if (givenUp === undefined) return;
    this.#kill();
  }

  #kill(): void {
    this.#doomed = true;
    this.#transport.kill();
  }

  #send(message: ToHost): void {
    this.#transport.send(message);
  }

  #handle(message: FromHost): void {
    switch (message.op) {
      case "tasks":
        if (this.#reading?.file === message.file) this.#reading.tasks = message.tasks;
        return;
      case "read":
        this.#endRead(message);
        return;
      case "end":
        this.#endRun(message.task, message.error);
        return;
      case "output":
        this.#output.push(message.task, message.stream, message.text);
        return;
      case "print":
        this.#listener.print(message.text);
        return;
      case "set":
        this.#listener.set(message.key, message.value);
        return;
      case "setopt":
        this.#listener.setopt(message.edit);
        return;
      case "setenv":
        this.#reply(message.id, this.#listener.setenv(message.env));
        return;
      case "refresh":
        this.#reply(message.id, this.#listener.refresh());
        return;
      case "fatal":
        this.#fatal = message.message;
    }
  }

  #endRead(message: Extract<FromHost, { op: "read" }>): void {
    const reading = this.#reading;
    if (reading?.file !== message.file) return;
    this.#reading = undefined;
    this.#output.end(undefined);
    if ("failure" in message) reading.reject(new RcReadError(message.failure));
    else {
      const { effects, standIns = [], uses = [] } = message;
      reading.resolve({ file: reading.file, tasks: reading.tasks, effects, standIns, uses });
    }
  }

  #endRun(task: string, error: RemoteError | undefined): void {
    const pending = this.#runs.get(task);
    this.#runs.delete(task);
    this.#output.end(task);
    if (pending?.givenUp !== undefined) pending.reject(pending.givenUp);
    else if (error !== undefined) pending?.reject(taskError(task, error));
    else pending?.resolve();
    this.#killIfDone();
  }

  #reply(id: number, done: Promise<void>): void {
    done.then(
      () => this.#send({ op: "reply", id }),
      (error: unknown) => this.#send({ op: "reply", id, error: messageOf(error) }),
    );
  }

  /** Waits for its end in any case, and then ends all waits for it. */
  async #watch(ended: Promise<HostEnd>): Promise<void> {
    const { how, cause } = await ended;
    const error = this.#gone(how, cause);
    this.#doomed = true;
    this.#output.endAll();
    this.#reading?.reject(error);
    this.#reading = undefined;
    for (const run of this.#runs.values()) run.reject(run.givenUp ?? error);
    this.#runs.clear();
  }

  #gone(how: string, cause?: unknown): SluiceError {
    const message = this.#fatal ?? `the ${this.#transport.name} host of rc files ${how}`;
    return new SluiceError("RC_FAILED", message, { cause });
  }
}

/** Keeps the stack of the code that threw, which is more useful than ours. */
function taskError(unit: string, { message, stack }: RemoteError): SluiceError {
  const cause = new Error(message);
  if (stack !== undefined) cause.stack = stack;
  return new SluiceError("RC_FAILED", message, { unit, cause });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new SluiceError("RUN_CANCELLED", messageOf(reason));
}

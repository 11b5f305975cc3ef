import type { ChildProcess } from "node:child_process";
import { Socket } from "node:net";
import { errnumOf, messageOf, SluiceError } from "../errors/index.js";
import { type Channel, socketChannel, WIRE_LIMITS } from "../messages/index.js";
import {
  endOf,
  killGroup,
  type Mark,
  moduleEndText,
  partEnvironment,
  setChildRef,
  startProcess,
  sweep,
} from "../processes/index.js";
import type { ModuleExit, ModuleSpec, RunningModule } from "./module-loader.js";

/** Names the descriptor on which a module uses the wire form (docs/wire-protocol.md). */
const MODULE_URI_VARIABLE = "SLUICE_MODULE_URI";

/** The program to run. */
export interface ChildStart {
  readonly spec: ModuleSpec;
  /** Absolute path of the program, and its arguments. */
  readonly command: readonly string[];
  /** Text for its standard input, which ends after it. Default: nothing. */
  readonly input?: string | undefined;
  /** Returns a text to add to the cause of its end. */
  readonly remark?: ((signal: NodeJS.Signals) => string | undefined) | undefined;
}

/** The channel is the fourth of the child's descriptors. */
const CHANNEL_FD = 3;

/** Both go where the broker's errors go, because standard output is for results of commands. */
const STDERR_FD = 2;

/**
 * Milliseconds in which the last messages of a process can still be read when another process holds its descriptor.
 */
const LAST_MESSAGES_MS = 50;

/** Milliseconds that a process has to exit when its channel has closed. */
const EXIT_MS = 1000;

/**
 * Starts a program that uses the wire form on an inherited descriptor, in a process group of its own.
 * @throws SluiceError `LOAD_FAILED` with the system's error number if it cannot be started
 */
export async function startChild(start: ChildStart): Promise<RunningModule> {
  const { spec, command, input } = start;
  const [file = "", ...args] = command;
  const { env, mark } = partEnvironment(spec.env ?? process.env);
  const child = startProcess(file, args, {
    // The module has a process group of its own: the processes that it starts end with it. It gets no Ctrl-C
    // of the terminal.
    detached: true,
    stdio: [input === undefined ? "ignore" : "pipe", STDERR_FD, STDERR_FD, "pipe"],
    env: { ...env, [MODULE_URI_VARIABLE]: `fd://${CHANNEL_FD}` },
  });
  const module = new ChildModule(child, start, mark);
  try {
    await new Promise((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
  } catch (cause) {
    throw new SluiceError("LOAD_FAILED", `${file}: ${messageOf(cause)}`, { errnum: errnumOf(cause), cause });
  }
  // If it ends before it has read all data, its exit status is the reason.
  child.stdin?.once("error", () => child.stdin?.destroy());
  child.stdin?.end(input);
  return module;
}

/**
 * A module in a process.
 *
 * The end of the process kills all processes that it left in its group. Its channel closes even if a process that
 * left the group holds the descriptor. When the channel closes first, the process has a second to end as well.
 */
class ChildModule implements RunningModule {
  readonly channel: Channel;
  readonly exited: Promise<ModuleExit>;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #remark: ChildStart["remark"];
  #settle: (exit: ModuleExit) => void = () => undefined;
  #hasExited = false;
  #isTerminated = false;
  /** Why this side closed the channel. */
  #fault: SluiceError | undefined;
  #isOverdue = false;
  #patience: NodeJS.Timeout | undefined;

  constructor(child: ChildProcess, { spec, remark }: ChildStart, mark: Mark | undefined) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.#remark = remark;
    this.#socket = socketOf(child);
    const { maxPayloadBytes: payloadBytes = WIRE_LIMITS.payloadBytes } = spec;
    this.channel = socketChannel(this.#socket, { ...WIRE_LIMITS, payloadBytes });
    this.channel.onClose((cause) => this.#channelClosed(cause));
    this.exited = new Promise((resolve) => {
      this.#settle = resolve;
      child.once("exit", (status, signal) => {
        this.#hasExited = true;
        clearTimeout(this.#patience);
        killGroup(this.pid);
        this.#closeChannelSoon();
        // Processes outside the group end too. The loader does not wait for them.
        void sweep(mark);
        resolve(this.#exitBy(status, signal));
      });
    });
  }

  setRef(isRef: boolean): void {
    setChildRef(this.#child, isRef);
  }

  async terminate(): Promise<void> {
    if (!this.#hasExited) {
      this.#isTerminated = true;
      this.#kill();
    }
    await this.exited;
  }

  #channelClosed(cause: Error | undefined): void {
    // Other causes, such as a reset, follow from its end, which explains more.
    if (cause instanceof SluiceError && cause.code === "BROKER_PROTOCOL") this.#fault = cause;
    if (this.#hasExited) return;
    this.#patience = setTimeout(() => {
      this.#isOverdue = true;
      this.#kill();
    }, EXIT_MS);
  }

  #kill(): void {
    if (killGroup(this.pid) !== "denied") return;
    this.#child.unref();
    this.#socket.destroy();
    this.#settle({ kind: "died", message: `process ${this.pid} belongs to another user and continues` });
  }

  #closeChannelSoon(): void {
    const timer = setTimeout(() => {
      // Reads the bytes that have arrived while the loop was busy, before it closes the socket.
      setImmediate(() => this.#socket.destroy());
    }, LAST_MESSAGES_MS);
    this.channel.onClose(() => clearTimeout(timer));
  }

  #exitBy(status: number | null, signal: NodeJS.Signals | null): ModuleExit {
    if (this.#isTerminated) return { kind: "terminated" };
    if (this.#fault !== undefined) {
      return { kind: "error", message: this.#fault.message, errnum: this.#fault.errnum };
    }
    if (this.#isOverdue) {
      return { kind: "died", message: `did not end within ${EXIT_MS} ms of closing its channel` };
    }
    if (status === 0) return { kind: "ok" };
    const remark = signal === null ? undefined : this.#remark?.(signal);
    const text = moduleEndText(endOf(status, signal));
    return { kind: "died", message: remark === undefined ? text : `${text}; ${remark}` };
  }
}

function socketOf(child: ChildProcess): Socket {
  const socket = child.stdio[CHANNEL_FD];
  if (socket instanceof Socket) return socket;
  throw new SluiceError("INTERNAL", "a process has started without its channel");
}

import { constants } from "node:os";
import { type ErrnoName, isErrno, requestError } from "../errors/index.js";
import { decodeIo, encodeIo, type OutputStream } from "./exec-protocol.js";
import { fields } from "./fields.js";
import type { Handle, JsonValue, Payload } from "./types.js";

/** How much of each output may be under way from a rank before the command must wait. */
const WINDOW_BYTES = 256 * 1024;

/** Errors that mean that a command, a rank or an instance has ended. */
const GONE: readonly ErrnoName[] = ["ENOENT", "ECONNRESET", "EHOSTUNREACH", "ECANCELED"];

/** The command to run on a rank, and its options. */
export interface RemoteCommandOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** Absolute. The working directory. Default: the broker's. */
  readonly cwd?: string;
  /**
   * The whole environment. The rank sets its own `SLUICE_URI` in it. Default: the environment of the
   * instance.
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether the caller will use {@link RemoteCommand.write}. Default: no, with an empty standard input. */
  readonly stdin?: boolean;
  /**
   * Receives the output, in order. The rank sends more output only after the promise resolves. So a slow
   * reader delays the command.
   */
  readonly onOutput: (stream: OutputStream, bytes: Buffer) => Promise<void> | undefined;
  readonly onStarted?: (pid: number) => void;
}

/** How a command ended. */
export interface RemoteEnd {
  /** The status as in a shell: the exit status, or 128 + the number of the signal. */
  readonly status: number;
  /** Name of the signal that killed the command. */
  readonly signal: string | undefined;
}

/** Ids of ranks' commands, as soon as they are known; undefined if a command could not be started. */
type Started = number | undefined;

/** A command that runs on a rank until it ends or its handle closes. */
export class RemoteCommand {
  readonly rank: number;
  /**
   * Resolves when the command has ended and `onOutput` has taken all its output. Rejects with SluiceError
   * `BROKER_REQUEST`. `ENOENT`: the rank has no such command. `EACCES`: the command is not executable.
   * `ENOTDIR`: the rank has no such directory. `EHOSTUNREACH`: the instance has no such rank. `ECONNRESET`:
   * the rank is lost.
   */
  readonly ended: Promise<RemoteEnd>;
  readonly #handle: Handle;
  readonly #options: RemoteCommandOptions;
  readonly #started: Promise<Started>;
  #resolveStarted: (id: Started) => void = () => undefined;
  /** Output that the caller has not taken yet. */
  readonly #taking = new Set<Promise<void>>();

  /** Starts it. */
  constructor(handle: Handle, rank: number, options: RemoteCommandOptions) {
    this.rank = rank;
    this.#handle = handle;
    this.#options = options;
    this.#started = new Promise((resolve) => (this.#resolveStarted = resolve));
    this.ended = this.#run().finally(() => this.#resolveStarted(undefined));
  }

  /**
   * Writes to the command's standard input. Resolves when the command, or the pipe to it, has accepted all data.
   * @returns whether the command still runs and reads its standard input
   */
  async write(bytes: Uint8Array): Promise<boolean> {
    return this.#feed(encodeIo(bytes));
  }

  /** Ends the command's standard input. */
  async endInput(): Promise<void> {
    await this.#feed({ eof: true });
  }

  /**
   * Sends a signal to the command's process group, as soon as the group exists. Has no effect if the command has ended.
   */
  async signal(signal: NodeJS.Signals): Promise<void> {
    await this.#ask("exec.kill", { signum: constants.signals[signal] });
  }

  async #run(): Promise<RemoteEnd> {
    const { command, cwd, env, stdin = false, onStarted } = this.#options;
    const request = {
      command,
      stdin,
      window: WINDOW_BYTES,
      ...(cwd !== undefined && { cwd }),
      ...(env !== undefined && { env: definedOnly(env) }),
    };
    let end: RemoteEnd | undefined;
    for await (const payload of this.#handle.rpcStream("exec.run", request, { rank: this.rank })) {
      const { type } = fields(payload, { type: "string" });
      if (type === "output") this.#take(payload);
      else if (type === "finished") end = fields(payload, { status: "integer", signal: "string?" });
      else if (type === "started") {
        const { id, pid } = fields(payload, { id: "integer", pid: "integer" });
        this.#resolveStarted(id);
        onStarted?.(pid);
      }
    }
    await Promise.all(this.#taking);
    if (end === undefined) throw requestError("EPROTO", "exec.run ended without a status");
    return end;
  }

  #take(payload: Payload): void {
    const { stream: name, ...io } = fields(payload, {
      stream: "string",
      data: "string",
      encoding: "string?",
    });
    const stream = name === "stderr" ? "stderr" : "stdout";
    const bytes = decodeIo(io);
    const taking = (async () => {
      await this.#options.onOutput(stream, bytes);
      await this.#ask("exec.credit", { stream, bytes: bytes.length });
    })();
    // A failure ends the whole command, which waits for all that is in here.
    this.#taking.add(taking);
    taking.then(
      () => this.#taking.delete(taking),
      () => undefined,
    );
  }

  async #feed(io: Readonly<Record<string, JsonValue>>): Promise<boolean> {
    try {
      return await this.#ask("exec.write", io);
    } catch (error) {
      if (isErrno(error, "EPIPE")) return false;
      throw error;
    }
  }

  /**
   * Sends a request about this command.
   * @returns false if the command has ended, or its rank is lost
   */
  async #ask(topic: string, more: Readonly<Record<string, JsonValue>>): Promise<boolean> {
    const id = await this.#started;
    if (id === undefined) return false;
    try {
      await this.#handle.rpc(topic, { id, ...more }, { rank: this.rank });
      return true;
    } catch (error) {
      if (GONE.some((name) => isErrno(error, name))) return false;
      throw error;
    }
  }
}

function definedOnly(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

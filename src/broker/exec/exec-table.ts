import { isAbsolute } from "node:path";
import { messageOf, requestError } from "../../errors/index.js";
import { decodeIo, encodeIo, type LogLevel, type OutputStream } from "../../messages/index.js";
import type { Call } from "../builtin-service.js";
import type { Clock, Timer } from "../clock.js";
import { Environment } from "../environment.js";
import { type ExecCommand, type ExecEnd, ExecProcess } from "./exec-process.js";
import { Guard, MARK_VARIABLE, type Refs } from "../../processes/index.js";
import { OpenStreams } from "../open-streams.js";

/** The time between SIGTERM and SIGKILL for a command whose requester has gone. */
const ABANDONED_GRACE_MS = 5000;

/** The same for a command that still runs when the broker goes down. */
const SHUTDOWN_GRACE_MS = 2000;

/** The part of the broker that the table uses. */
interface ExecTableOptions {
  /** The references that keep this process alive. */
  readonly refs: Refs;
  readonly clock: Clock;
  /** The environment of programs of the instance. */
  readonly environment: () => Readonly<Record<string, string>>;
  /** Variables that programs of the instance do not get (`broker.env-blocklist`). */
  readonly blocklist: () => string;
  /** The variables of this rank for every program, whatever its caller sets: the URI, and the mark. */
  readonly own: () => Readonly<Record<string, string>>;
  readonly log: (level: LogLevel, text: string) => void;
}

/** One command, from the request to its end. */
interface Entry {
  readonly id: number;
  readonly call: Call;
  readonly words: readonly string[];
  readonly startedAtMs: number;
  /** Undefined while it is being started. */
  process: ExecProcess | undefined;
  /** Whether it is to end: its requester has gone, or the broker goes down. */
  isEnding: boolean;
  killTimer: Timer | undefined;
  /** Takes it out of the list that keeps this process alive. */
  release: (() => void) | undefined;
}

/** The request `exec.run`. */
export interface ExecRequest {
  readonly command: readonly string[];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, unknown>> | undefined;
  readonly stdin: boolean | undefined;
  readonly window: number | undefined;
}

/** The commands that a rank runs for others (docs/design/instance.md §5). */
export class ExecTable {
  readonly #options: ExecTableOptions;
  readonly #entries = new Map<number, Entry>();
  readonly #streams = new OpenStreams();
  readonly #guard: Guard;
  #lastId = 0;
  #isClosed = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: ExecTableOptions) {
    this.#options = options;
    this.#guard = new Guard({
      onError: (error) =>
        options.log(
          "err",
          `exec: cannot start the guard, without which commands survive a killed broker: ${error.message}`,
        ),
    });
  }

  /** Runs a command for a streaming request. Resolves when it has been started. */
  async run(call: Call, request: ExecRequest): Promise<void> {
    if (this.#isClosed) throw requestError("ECANCELED", "the broker is shutting down");
    const command = this.#commandOf(request);
    const entry: Entry = {
      id: ++this.#lastId,
      call,
      words: command.words,
      startedAtMs: this.#options.clock.now(),
      process: undefined,
      isEnding: false,
      killTimer: undefined,
      release: undefined,
    };
    this.#entries.set(entry.id, entry);
    this.#streams.add(call, () => this.#abandon(entry, ABANDONED_GRACE_MS));
    try {
      entry.process = await ExecProcess.start(command, {
        output: (stream, bytes) => call.respond({ type: "output", stream, ...encodeIo(bytes) }),
        finished: (end) => this.#finished(entry, end),
      });
    } catch (error) {
      this.#forget(entry);
      throw error;
    }
    const { process: started } = entry;
    entry.release = this.#options.refs.add((isRef) => started.setRef(isRef));
    this.#guard.add(entry.process.pid);
    call.respond({ type: "started", id: entry.id, pid: entry.process.pid });
    entry.process.listen();
    if (entry.isEnding) this.#abandon(entry, ABANDONED_GRACE_MS);
  }

  /** @throws SluiceError `ENOENT` if it has ended */
  write(
    call: Call,
    id: number,
    io: { data?: string | undefined; encoding?: string | undefined; eof?: boolean | undefined },
  ): void {
    const process_ = this.#running(id);
    const { data = "", encoding, eof } = io;
    const done = (error?: Error | null): void => {
      if (error) call.fail("EPIPE", "the standard input of the command is closed");
      else call.respond();
    };
    if (data === "") done();
    else process_.write(decodeIo({ data, encoding }), done);
    if (eof === true) process_.endInput();
  }

  acknowledge(id: number, stream: OutputStream, bytes: number): void {
    // It may have ended meanwhile.
    this.#entries.get(id)?.process?.acknowledge(stream, bytes);
  }

  /** @throws SluiceError `ENOENT` if it has ended, `EPERM` if it has become another user's */
  kill(id: number, signum: number): void {
    this.#running(id).signal(signum);
  }

  list(): { id: number; pid: number; command: readonly string[]; seconds: number }[] {
    const now = this.#options.clock.now();
    return [...this.#entries.values()].map(({ id, process: process_, words, startedAtMs }) => ({
      id,
      pid: process_?.pid ?? 0,
      command: words,
      seconds: (now - startedAtMs) / 1000,
    }));
  }

  /** Ends the command whose stream a `cancel` is about. */
  cancel(call: Call): void {
    this.#streams.cancel(call);
  }

  /** Ends the commands of a disconnected sender. */
  disconnect(call: Call): void {
    this.#streams.disconnect(call);
  }

  /** Ends all that still run, with a log line each, and resolves when they have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#entries.size > 0) await this.#endAll();
    await this.#guard.close();
  }

  async #endAll(): Promise<void> {
    const gone = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    for (const entry of [...this.#entries.values()]) {
      // There is no log line, because no requester waits for a command that is already ending.
      if (!entry.isEnding) {
        const what = `'${entry.words.join(" ")}' (pid ${entry.process?.pid ?? 0})`;
        this.#options.log("warning", `exec: ${what} still runs at shutdown; terminating it`);
      }
      this.#end(entry, SHUTDOWN_GRACE_MS);
    }
    await gone;
  }

  #commandOf({ command, cwd = process.cwd(), env, stdin, window }: ExecRequest): ExecCommand {
    if (command[0] === undefined || command[0] === "") throw requestError("EINVAL", "the command is empty");
    if (!isAbsolute(cwd)) throw requestError("EINVAL", `cwd must be an absolute path, not '${cwd}'`);
    if (window !== undefined && window < 1) throw requestError("EINVAL", "window must be at least 1 byte");
    return {
      words: command,
      cwd,
      env: env === undefined ? this.#options.environment() : this.#environmentOf(env),
      hasInput: stdin === true,
      windowBytes: window,
    };
  }

  /** The environment of the caller, adapted to this rank. */
  #environmentOf(given: Readonly<Record<string, unknown>>): Record<string, string> {
    const { blocklist, own } = this.#options;
    const environment = new Environment({});
    // The caller's values belong to another rank.
    environment.update({ ...given, SLUICE_URI: null, [MARK_VARIABLE]: null });
    return { ...environment.inherited(blocklist()), ...own() };
  }

  #running(id: number): ExecProcess {
    const process_ = this.#entries.get(id)?.process;
    if (process_ === undefined) throw requestError("ENOENT", `command ${id} is not running on this rank`);
    return process_;
  }

  /** Ends a command that has no reader for its output. */
  #abandon(entry: Entry, graceMs: number): void {
    entry.process?.mute();
    this.#end(entry, graceMs);
  }

  /** Sends SIGTERM, and SIGKILL after the grace. */
  #end(entry: Entry, graceMs: number): void {
    entry.isEnding = true;
    if (entry.process === undefined) return;
    this.#signal(entry, "SIGTERM");
    entry.killTimer?.cancel();
    entry.killTimer = this.#options.clock.after(graceMs, () => {
      entry.process?.mute();
      this.#signal(entry, "SIGKILL");
    });
  }

  #signal(entry: Entry, signal: NodeJS.Signals): void {
    try {
      entry.process?.signal(signal);
    } catch (error) {
      // The command now runs as another user. The kernel refuses our signals.
      this.#options.log("err", `exec: cannot signal '${entry.words.join(" ")}': ${messageOf(error)}`);
      this.#forget(entry);
    }
  }

  #finished(entry: Entry, { status, signal }: ExecEnd): void {
    this.#forget(entry);
    entry.call.respond({ type: "finished", status, ...(signal !== null && { signal }) });
    entry.call.fail("ENODATA");
  }

  #forget(entry: Entry): void {
    entry.killTimer?.cancel();
    entry.release?.();
    this.#streams.delete(entry.call);
    if (entry.process !== undefined) this.#guard.delete(entry.process.pid);
    this.#entries.delete(entry.id);
    if (this.#entries.size === 0) this.#onEmpty?.();
  }
}

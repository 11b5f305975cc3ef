import { ERRNO, requestError, SluiceError } from "../../errors/index.js";
import type { Handle, ModuleMain, Payload } from "../../messages/index.js";
import {
  isSuccess,
  moduleEndText,
  type OutputStreamName,
  type ProcessEnd,
  startProgram,
  type SupervisedProgram,
} from "../../processes/index.js";
import { answeringBefore } from "./attempts.js";
import { executableOf } from "./command-line.js";
import { Aliveness } from "./aliveness.js";
import { watchMemory } from "./memory-watch.js";
import { OutputLines } from "./output-lines.js";
import { ProgramEvents } from "./program-events.js";
import { ATTEMPT_MS, untilReady } from "./readiness.js";
import { directoryOf, openOutput, type ProgramSetup, setUp } from "./program-setup.js";
import { killProgram, stopProgram, stopRest } from "./stopping.js";
import type { CommandLine, Probe } from "../program-options.js";
import type { ModuleSpec, OutputLine } from "../module-loader.js";

/** So many of its last lines are told when it ends before it is ready. */
const LAST_LINES = 5;

type Stage = "starting" | "waiting for ready" | "ready" | "stopping" | "ended";

/** One start of an ordinary program, from before it is executed until nothing of it is left (docs/design/programs.md §1). */
export class Program {
  readonly #spec: ModuleSpec;
  readonly #command: CommandLine;
  readonly #ready: Probe;
  readonly #directory: string;
  readonly #events: ProgramEvents;
  readonly #lastLines: string[] = [];
  /** With what it was started. */
  #env: NodeJS.ProcessEnv = {};
  #stage: Stage = "starting";
  #program: SupervisedProgram | undefined;
  #hasBegun = false;
  #isStopped = false;
  #stop: () => void = () => undefined;
  /** When it is to end, by whatever reason of ours. */
  readonly #stopAsked = new Promise<"stop">((resolve) => {
    this.#stop = () => resolve("stop");
  });

  constructor(spec: ModuleSpec, command: CommandLine) {
    this.#spec = spec;
    this.#command = command;
    this.#ready = spec.ready ?? { started: true };
    this.#directory = directoryOf(spec);
    this.#events = new ProgramEvents(this.#ready.log !== undefined);
  }

  /** Of the main process; undefined before it was started. */
  get pid(): number | undefined {
    return this.#program?.pid;
  }

  /** Whether {@link main} was called. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** What is left of it; undefined once that is nothing. */
  get running(): SupervisedProgram | undefined {
    return this.#stage === "ended" ? undefined : this.#program;
  }

  /** What the broker's module for it does. */
  readonly main: ModuleMain = async (handle) => {
    this.#hasBegun = true;
    handle.handle("shutdown", (request) => {
      handle.respond(request);
      this.stop();
    });
    handle.handle("status", () => this.#status(), { allowGuest: true });
    const setup = await setUp(this.#spec);
    this.#env = setup.env;
    await this.#refuseForeignAddress();
    this.#refuseStopped();
    const program = await this.#start(setup);
    this.#stage = "waiting for ready";
    await this.#waitUntilReady(program, handle);
    this.#stage = "ready";
    handle.setRunning();
    await this.#live(program, handle);
  };

  /** Has it stopped as its unit says, as soon as it is started. */
  stop(): void {
    this.#isStopped = true;
    this.#stop();
  }

  /** Kills all of it at once. */
  async kill(): Promise<void> {
    this.stop();
    if (this.#program !== undefined) await killProgram(this.#program);
  }

  async #start({ directory, env, identity, limits }: ProgramSetup): Promise<SupervisedProgram> {
    const { args, programLog, alive, watchdogMs = 0 } = this.#spec;
    const { file, args: words } = await executableOf(this.#command, { directory, env }, args);
    const keep = (line: OutputLine): void => this.#line(line);
    const streams: Record<OutputStreamName, OutputLines> = {
      stdout: new OutputLines("stdout", keep),
      stderr: new OutputLines("stderr", keep),
    };
    const { output, file: opened } = await openOutput(this.#spec);
    try {
      this.#program = await startProgram({
        file,
        args: words,
        ...{ cwd: directory, env, identity, limits, output },
        readyFd: this.#ready.fd,
        hasNotifySocket: this.#ready.notify === true || alive?.notify === true || watchdogMs > 0,
        listener: {
          output: (stream, bytes) => streams[stream].push(bytes),
          leftOut: (stream, bytes) => {
            streams[stream].end();
            programLog?.leftOut(stream, bytes);
          },
          notified: (text) => this.#events.notified(text),
          readyOnDescriptor: () => this.#events.readyOnDescriptor(),
        },
      });
    } finally {
      await opened?.close();
    }
    void this.#program.gone.then(() => {
      this.#stage = "ended";
      for (const stream of Object.values(streams)) stream.end();
    });
    return this.#program;
  }

  #line(line: OutputLine): void {
    const { text } = line;
    this.#spec.programLog?.line(line);
    this.#events.line(text);
    this.#lastLines.push(text);
    if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift();
  }

  /** What answers before it has started is another program, whose health says nothing of this one. */
  async #refuseForeignAddress(): Promise<void> {
    const place = { directory: this.#directory, env: this.#env };
    const address = await answeringBefore(this.#ready, place, this.#ready.timeoutMs ?? ATTEMPT_MS);
    if (address === undefined) return;
    throw new SluiceError("LOAD_FAILED", `${address} answers already, before the program was started`, {
      errnum: ERRNO.EEXIST,
    });
  }

  #refuseStopped(): void {
    if (this.#isStopped) throw requestError("ECANCELED", "load was cancelled");
  }

  async #waitUntilReady(program: SupervisedProgram, handle: Handle): Promise<void> {
    // It was, whatever has become of it since.
    if (this.#ready.started === true) return;
    const giveUp = new AbortController();
    const readiness = untilReady({
      probe: this.#ready,
      place: { directory: this.#directory, env: this.#env },
      events: this.#events,
      timeoutMs: this.#spec.timeoutMs,
      signal: giveUp.signal,
    });
    let outcome: "ready" | "ended" | "stop";
    try {
      outcome = await Promise.race([
        readiness.then(() => "ready" as const),
        // What it said before its end has been received, and may only have to be noticed.
        program.ended.then(() => nextTurn()).then(() => "ended" as const),
        this.#stopAsked,
      ]);
    } catch (error) {
      await this.#stopInOrder(program, handle);
      throw error;
    } finally {
      giveUp.abort();
      // An attempt that runs is ended too.
      await readiness.catch(() => undefined);
      this.#events.stopCollecting();
    }
    switch (outcome) {
      case "ready":
        return;
      case "stop":
        await this.#stopInOrder(program, handle);
        throw requestError("ECANCELED", "load was cancelled");
      case "ended":
        throw await this.#endedTooSoon(program);
    }
  }

  async #endedTooSoon(program: SupervisedProgram): Promise<SluiceError> {
    const end = await program.ended;
    await stopRest(program, this.#spec.stop ?? {});
    const lines = this.#lastLines.length === 0 ? "" : `; its last output: ${this.#lastLines.join(" | ")}`;
    return new SluiceError("LOAD_FAILED", `${moduleEndText(end)} before it was ready${lines}`, {
      errnum: ERRNO.ECONNRESET,
    });
  }

  async #live(program: SupervisedProgram, handle: Handle): Promise<void> {
    const watched = this.#watch(program);
    const outcome = await Promise.race([
      program.ended.then(() => "ended" as const),
      this.#stopAsked,
      watched.failure,
    ]);
    watched.stop();
    if (outcome instanceof SluiceError) {
      await killProgram(program);
      throw outcome;
    }
    if (outcome === "stop") {
      await this.#stopInOrder(program, handle);
      return;
    }
    const end = await program.ended;
    await this.#endRest(program, end, handle);
    if (!this.#isClean(end)) {
      throw new SluiceError("LOAD_FAILED", moduleEndText(end), { errnum: ERRNO.ECONNRESET });
    }
    handle.log("info", moduleEndText(end));
  }

  /** Looks after one that is ready: whether it is alive, and how much memory it has. */
  #watch(program: SupervisedProgram): { readonly failure: Promise<SluiceError>; stop(): void } {
    const { alive, memoryLimitBytes, watchdogMs = 0 } = this.#spec;
    let fail: (message: string) => void = () => undefined;
    const failure = new Promise<SluiceError>((resolve) => {
      fail = (message) => resolve(new SluiceError("LOAD_FAILED", message, { errnum: ERRNO.ETIMEDOUT }));
    });
    const place = { directory: this.#directory, env: this.#env };
    const probes: Probe[] = [
      ...(alive === undefined ? [] : [alive]),
      ...(watchdogMs === 0 ? [] : [{ notify: true, intervalMs: watchdogMs, failures: 1 }]),
    ];
    const alivenesses = probes.map(
      (probe) =>
        new Aliveness({
          ...{ probe, place },
          events: this.#events,
          onDead: (words) => fail(`not alive: ${words}`),
        }),
    );
    const limit = memoryLimitBytes ?? Infinity;
    const memory =
      limit === Infinity
        ? undefined
        : watchMemory(program, limit, () => fail(`over its memory limit of ${sizeText(limit)}`));
    return {
      failure,
      stop: () => {
        memory?.cancel();
        for (const each of alivenesses) each.stop();
      },
    };
  }

  /** Whether an end that nothing has asked for is one in order. */
  #isClean(end: ProcessEnd): boolean {
    const { success = [] } = this.#spec;
    return isSuccess(end) || success.includes(end.kind === "exited" ? end.status : end.signal);
  }

  /** A program that goes to the background leaves its work to processes that nothing would watch. */
  async #endRest(program: SupervisedProgram, end: ProcessEnd, handle: Handle): Promise<void> {
    const left = await program.members();
    if (left.length > 0) {
      const names = left.map(({ pid, name }) => `${pid} (${name})`).join(", ");
      handle.log(
        "warning",
        `its main process ended (${moduleEndText(end)}) and left ${names}, which are stopped now; ` +
          "a program that goes to the background needs the option that keeps it in the foreground",
      );
    }
    await stopRest(program, this.#spec.stop ?? {});
  }

  async #stopInOrder(program: SupervisedProgram, handle: Handle): Promise<void> {
    this.#stage = "stopping";
    await stopProgram({
      program,
      rule: this.#spec.stop ?? {},
      command: this.#command,
      directory: this.#directory,
      env: this.#env,
      log: (level, text) => handle.log(level, text),
    });
  }

  async #status(): Promise<Payload> {
    const members = (await this.#program?.members()) ?? [];
    const { status } = this.#events;
    return {
      stage: this.#stage,
      pid: this.pid ?? null,
      processes: members.map(({ pid, state, name }) => ({ pid, state, name })),
      ...(status === undefined ? {} : { status }),
    };
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const MIB = 1024 * 1024;

function sizeText(bytes: number): string {
  return bytes % MIB === 0 ? `${bytes / MIB} MiB` : `${bytes} B`;
}

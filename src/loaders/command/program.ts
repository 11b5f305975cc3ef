import { ERRNO, requestError, SluiceError } from "../../errors/index.js";
import type { Handle, ModuleMain, Payload } from "../../messages/index.js";
import {
  type Identity,
  isSuccess,
  moduleEndText,
  type OutputStreamName,
  type ProcessEnd,
  startProgram,
  type SupervisedProgram,
} from "../../processes/index.js";
import { answeringBefore, type ProbePlace } from "./attempts.js";
import { executableOf } from "./command-line.js";
import { Aliveness } from "./aliveness.js";
import { watchMemory } from "./memory-watch.js";
import { OutputLines } from "./output-lines.js";
import { ProgramEvents } from "./program-events.js";
import { ATTEMPT_MS, untilReady } from "./readiness.js";
import { directoryOf, openOutput, type ProgramSetup, setUp } from "./program-setup.js";
import { killProgram, stopProgram, stopRest } from "./stopping.js";
import type { CommandLine, Probe } from "../program-options.js";
import type { ModuleSpec, OutputLine, ProbeState } from "../module-loader.js";
import type { ModuleOptions } from "../module-options.js";

/** The number of its last lines in the message if it ends before it is ready. */
const LAST_LINES = 5;

type Stage = "starting" | "waiting for ready" | "ready" | "stopping" | "ended";

/**
 * One start of an ordinary program, from the time before it is executed to the end of its last process
 * (docs/design/programs.md §1).
 */
export class Program {
  #spec: ModuleSpec;
  readonly #command: CommandLine;
  readonly #ready: Probe;
  readonly #directory: string;
  /** The watchdog of this start, whose period the program has in its environment; 0: none. */
  readonly #watchdogMs: number;
  readonly #hasNotifySocket: boolean;
  readonly #events: ProgramEvents;
  readonly #lastLines: string[] = [];
  /** The environment that it was started with. */
  #env: NodeJS.ProcessEnv = {};
  #identity: Identity | undefined;
  #stage: Stage = "starting";
  #program: SupervisedProgram | undefined;
  #hasBegun = false;
  #isStopped = false;
  #isRef = true;
  #stop: () => void = () => undefined;
  /** Restarts its probe with the current options; has no effect while no probe runs. */
  #watchAnew: () => void = () => undefined;
  /** The repeated probes; empty while none runs. */
  #alivenesses: readonly Aliveness[] = [];
  /** Settles at a stop, whatever its reason. */
  readonly #stopAsked = new Promise<"stop">((resolve) => {
    this.#stop = () => resolve("stop");
  });

  constructor(spec: ModuleSpec, command: CommandLine) {
    this.#spec = spec;
    this.#command = command;
    this.#ready = spec.ready ?? { started: true };
    this.#directory = directoryOf(spec);
    this.#watchdogMs = spec.watchdogMs ?? 0;
    this.#hasNotifySocket =
      this.#ready.notify === true || spec.alive?.notify === true || this.#watchdogMs > 0;
    this.#events = new ProgramEvents(this.#ready.log !== undefined);
  }

  /** Id of the main process; undefined before it was started. */
  get pid(): number | undefined {
    return this.#program?.pid;
  }

  /** The state of the probe with the most failures in a row; undefined without a probe `alive`. */
  get probe(): ProbeState | undefined {
    return this.#alivenesses.map(({ state }) => state).toSorted((a, b) => b.failures - a.failures)[0];
  }

  /** Whether {@link main} was called. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Its remaining processes; undefined when all have ended. */
  get running(): SupervisedProgram | undefined {
    return this.#stage === "ended" ? undefined : this.#program;
  }

  /** The entry function of the broker's module for it. */
  readonly main: ModuleMain = async (handle) => {
    this.#hasBegun = true;
    handle.handle("shutdown", (request) => {
      handle.respond(request);
      this.stop();
    });
    handle.handle("status", () => this.#status(), { allowGuest: true });
    const setup = await setUp(this.#spec);
    this.#env = setup.env;
    this.#identity = setup.identity;
    await this.#refuseForeignAddress();
    this.#refuseStopped();
    const program = await this.#start(setup);
    this.#stage = "waiting for ready";
    await this.#waitUntilReady(program, handle);
    this.#stage = "ready";
    handle.setRunning();
    await this.#live(program, handle);
  };

  /** Stops it by the rules of its unit, once it has started. */
  stop(): void {
    this.#isStopped = true;
    this.#stop();
  }

  /** Whether it keeps this process alive, from now on or from its start on. */
  setRef(isRef: boolean): void {
    this.#isRef = isRef;
    this.#program?.setRef(isRef);
  }

  /** Kills all its processes at once. */
  async kill(): Promise<void> {
    this.stop();
    if (this.#program !== undefined) await killProgram(this.#program);
  }

  /**
   * Takes new values that need no new start: how it is supervised, and how it is stopped. A watchdog and notifications
   * without a part in this start begin with its next start.
   */
  amend({ alive, stop, success, watchdogMs }: ModuleOptions): void {
    this.#spec = { ...this.#spec, alive, stop, success, watchdogMs };
    this.#watchAnew();
  }

  async #start({ directory, env, identity, limits }: ProgramSetup): Promise<SupervisedProgram> {
    const { args, programLog } = this.#spec;
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
        memoryLimitBytes: this.#spec.memoryLimitBytes,
        readyFd: this.#ready.fd,
        hasNotifySocket: this.#hasNotifySocket,
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
    if (!this.#isRef) this.#program.setRef(false);
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

  /** An answer before its start comes from another program, whose health says nothing. */
  async #refuseForeignAddress(): Promise<void> {
    const address = await answeringBefore(this.#ready, this.#place, this.#ready.timeoutMs ?? ATTEMPT_MS);
    if (address === undefined) return;
    throw new SluiceError("LOAD_FAILED", `${address} answered before the program started`, {
      errnum: ERRNO.EEXIST,
    });
  }

  #refuseStopped(): void {
    if (this.#isStopped) throw requestError("ECANCELED", "load was cancelled");
  }

  async #waitUntilReady(program: SupervisedProgram, handle: Handle): Promise<void> {
    // It was ready once, even if it has failed since.
    if (this.#ready.started === true) return;
    const giveUp = new AbortController();
    const readiness = untilReady({
      probe: this.#ready,
      place: this.#place,
      events: this.#events,
      timeoutMs: this.#spec.timeoutMs,
      signal: giveUp.signal,
    });
    let outcome: "ready" | "ended" | "stop";
    try {
      outcome = await Promise.race([
        readiness.then(() => "ready" as const),
        // Its last messages have arrived, but may not be handled yet.
        program.ended.then(() => nextTurn()).then(() => "ended" as const),
        this.#stopAsked,
      ]);
    } catch (error) {
      await this.#stopInOrder(program, handle);
      throw error;
    } finally {
      giveUp.abort();
      // This also ends a running attempt.
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
    const end = this.#endText(program, await program.ended);
    await stopRest(program, this.#spec.stop ?? {});
    const lines = this.#lastLines.length === 0 ? "" : `; its last output: ${this.#lastLines.join(" | ")}`;
    return new SluiceError("LOAD_FAILED", `${end} before it was ready${lines}`, {
      errnum: ERRNO.ECONNRESET,
    });
  }

  async #live(program: SupervisedProgram, handle: Handle): Promise<void> {
    const watched = this.#keepWatch(program);
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
    if (program.wasOverMemoryLimit === true || !this.#isClean(end)) {
      throw new SluiceError("LOAD_FAILED", this.#endText(program, end), { errnum: ERRNO.ECONNRESET });
    }
    handle.log("info", moduleEndText(end));
  }

  /** Watches a ready program until it is stopped. */
  #keepWatch(program: SupervisedProgram): { readonly failure: Promise<SluiceError>; stop(): void } {
    let fail: (message: string) => void = () => undefined;
    const failure = new Promise<SluiceError>((resolve) => {
      fail = (message) => resolve(new SluiceError("LOAD_FAILED", message, { errnum: ERRNO.ETIMEDOUT }));
    });
    let stop = this.#watch(program, fail);
    this.#watchAnew = () => {
      stop();
      stop = this.#watch(program, fail);
    };
    return {
      failure,
      stop: () => {
        this.#watchAnew = () => undefined;
        stop();
      },
    };
  }

  /**
   * Checks whether it is alive, and how much memory it uses.
   * @returns a function that ends the checks
   */
  #watch(program: SupervisedProgram, fail: (message: string) => void): () => void {
    const { alive, memoryLimitBytes, watchdogMs = 0 } = this.#spec;
    const isHeard = alive?.notify !== true || this.#hasNotifySocket;
    const intervalMs = watchdogMs === 0 ? 0 : this.#watchdogMs;
    const probes: Probe[] = [
      ...(alive === undefined || !isHeard ? [] : [alive]),
      ...(intervalMs === 0 ? [] : [{ notify: true, intervalMs, failures: 1 }]),
    ];
    this.#alivenesses = probes.map(
      (probe) =>
        new Aliveness({
          ...{ probe, place: this.#place },
          events: this.#events,
          onDead: (words) => fail(`not alive: ${words}`),
        }),
    );
    const limit = memoryLimitBytes ?? Infinity;
    const memory = limit === Infinity ? undefined : watchMemory(program, limit, () => fail(overLimit(limit)));
    return () => {
      memory?.cancel();
      for (const each of this.#alivenesses) each.stop();
      this.#alivenesses = [];
    };
  }

  #endText(program: SupervisedProgram, end: ProcessEnd): string {
    const { memoryLimitBytes = Infinity } = this.#spec;
    return program.wasOverMemoryLimit === true ? overLimit(memoryLimitBytes) : moduleEndText(end);
  }

  /** Whether an unrequested end is a clean one. */
  #isClean(end: ProcessEnd): boolean {
    const { success = [] } = this.#spec;
    return isSuccess(end) || success.includes(end.kind === "exited" ? end.status : end.signal);
  }

  /** The processes of a program that goes to the background would have no supervision. */
  async #endRest(program: SupervisedProgram, end: ProcessEnd, handle: Handle): Promise<void> {
    const left = await program.members();
    if (left.length > 0) {
      const names = left.map(({ pid, name }) => `${pid} (${name})`).join(", ");
      handle.log(
        "warning",
        `the main process ended (${moduleEndText(end)}) and left ${names}, which Sluice stops now; ` +
          "a program that runs in the background needs the option that keeps it in the foreground",
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
      identity: this.#identity,
      log: (level, text) => handle.log(level, text),
    });
  }

  /** The directory and environment of its probes. */
  get #place(): ProbePlace {
    return {
      directory: this.#directory,
      env: this.#env,
      identity: this.#identity,
      isSecret: this.#spec.secret === true,
    };
  }

  async #status(): Promise<Payload> {
    const members = (await this.#program?.members()) ?? [];
    const { status } = this.#events;
    const { memoryLimitBytes: bytes = Infinity } = this.#spec;
    const isHeld = this.#program?.wasOverMemoryLimit !== undefined;
    return {
      stage: this.#stage,
      pid: this.pid ?? null,
      processes: members.map(({ pid, state, name }) => ({ pid, state, name })),
      ...(status === undefined ? {} : { status }),
      ...(bytes === Infinity ? {} : { memoryLimit: { bytes, by: isHeld ? "cgroup" : "look" } }),
    };
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const MIB = 1024 * 1024;

function overLimit(bytes: number): string {
  return `over its memory limit of ${sizeText(bytes)}`;
}

function sizeText(bytes: number): string {
  return bytes % MIB === 0 ? `${bytes / MIB} MiB` : `${bytes} B`;
}

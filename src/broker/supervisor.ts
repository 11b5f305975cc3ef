import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { systemMessage } from "../errors/index.js";
import type { PhaseProcess, StopSignal } from "./instance-life.js";
import { exitStatus, type ProgramProcess, signalGroup, spawnPhase } from "./phase-process.js";

/** What a broker tells its supervisor over their IPC channel. */
export type BrokerReport =
  /** It is time for the initial program, with this environment. */
  | { readonly type: "program-start"; readonly env: Readonly<Record<string, string>> }
  | { readonly type: "program-signal"; readonly signal: StopSignal }
  | { readonly type: "program-kill" };

/** What a supervisor tells a broker. */
export type SupervisorOrder =
  | { readonly type: "stop"; readonly signal: StopSignal }
  /** What to end if the supervisor is lost. */
  | ({ readonly type: "program-started" } & ProgramProcess)
  | { readonly type: "program-exit"; readonly status: number };

export interface SupervisorOptions {
  /** The command line of rank 0's broker. */
  readonly brokerArgv: readonly string[];
  /** The initial program; undefined if there is none. */
  readonly programArgv: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether a terminal is there to send its own signals to the initial program. */
  readonly onTerminal: boolean;
  /** For people. */
  readonly say: (text: string) => void;
}

/** How long the processes of a broker that died may take to notice it, before they are killed. */
const ORPHAN_GRACE_MS = 2000;
const ORPHAN_CHECK_MS = 20;

/**
 * The process apart from the brokers that `sluice start` is: it starts the broker, runs the initial program on its own
 * standard input and output, cleans up after both whatever becomes of them, and knows the exit status.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  #broker: ChildProcess | undefined;
  #program: PhaseProcess | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Runs the instance to its end; resolves to the exit status. */
  async run(): Promise<number> {
    const { brokerArgv, env, say } = this.#options;
    const [file = "", ...args] = brokerArgv;
    // In a session of its own: what a terminal sends reaches the broker through us alone, once.
    const broker = spawn(file, args, {
      env,
      detached: true,
      stdio: ["ignore", process.stderr, "inherit", "ipc"],
    });
    this.#broker = broker;
    broker.on("message", (report: BrokerReport) => this.#onReport(report));
    const { status, signal, error } = await ended(broker);
    this.#program?.kill();
    await this.#program?.exited;
    if (broker.pid !== undefined) await endGroup(broker.pid);
    if (error !== undefined) say(`broker could not be started: ${error.message}`);
    if (signal === null) return status;
    say(`broker was killed by ${signal}`);
    return 1;
  }

  /** Passes on a signal; the second one kills what is left. */
  stop(signal: StopSignal): void {
    // A terminal has sent it to the initial program too, and that decides what comes of it.
    if (signal === "SIGINT" && this.#options.onTerminal && this.#program !== undefined) return;
    this.#order({ type: "stop", signal });
  }

  #order(order: SupervisorOrder): void {
    if (this.#broker?.connected) this.#broker.send(order);
  }

  #onReport(report: BrokerReport): void {
    switch (report.type) {
      case "program-start":
        this.#startProgram(report.env);
        return;
      case "program-signal":
        this.#program?.signal(report.signal);
        return;
      case "program-kill":
        this.#program?.kill();
        return;
    }
  }

  #startProgram(env: Readonly<Record<string, string>>): void {
    const { programArgv, onTerminal, say } = this.#options;
    if (programArgv === undefined)
      throw new Error("the broker asked for an initial program that there is not");
    const program = spawnPhase({
      argv: programArgv,
      env,
      stdio: "inherit",
      ownGroup: !onTerminal,
      onStartError: (error) => say(`${programArgv[0] ?? ""}: ${startErrorText(error)}`),
    });
    this.#program = program;
    const pid = program.child?.pid;
    if (pid !== undefined) this.#order({ type: "program-started", pid, ownGroup: !onTerminal });
    void program.exited.then((status) => {
      this.#program = undefined;
      this.#order({ type: "program-exit", status });
    });
  }
}

function startErrorText(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") return "command not found";
  return systemMessage(error);
}

interface Ended {
  readonly status: number;
  readonly signal: NodeJS.Signals | null;
  readonly error?: Error;
}

function ended(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ status: 1, signal: null, error }));
    child.once("exit", (code, signal) => resolve({ status: exitStatus(code, signal), signal }));
  });
}

/** Waits until nothing of a broker's process group is left; helps after the grace time. */
async function endGroup(pgid: number): Promise<void> {
  const deadlineMs = performance.now() + ORPHAN_GRACE_MS;
  while (signalGroup(pgid, 0)) {
    if (performance.now() > deadlineMs) {
      signalGroup(pgid, "SIGKILL");
      return;
    }
    await sleep(ORPHAN_CHECK_MS);
  }
}

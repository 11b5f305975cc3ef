import type { ChildProcess } from "node:child_process";
import {
  endOf,
  killTree,
  type Mark,
  markOf,
  processesWith,
  type ProgramProcess,
  shellStatus,
  signalGroup,
  signalProcess,
  sleep,
  startProcess,
  sweep,
} from "../../processes/index.js";
import type { LifeState, StopSignal } from "./instance-life.js";

/** The reports of a broker to its supervisor, over their IPC channel. */
export type BrokerReport =
  /** The initial program is to start now, with this environment. */
  | { readonly type: "program-start"; readonly env: Readonly<Record<string, string>> }
  | { readonly type: "program-signal"; readonly signal: NodeJS.Signals }
  | { readonly type: "program-kill" }
  | { readonly type: "state"; readonly state: LifeState }
  /** Clients can connect. */
  | { readonly type: "serving" }
  /** It has received a stop, and takes at most this time; null: no limit. */
  | { readonly type: "stopping"; readonly timeoutMs: number | null }
  /** A part of its shutdown has failed. */
  | { readonly type: "unclean" };

/** The orders of a supervisor to a broker. */
export type SupervisorOrder =
  | { readonly type: "stop"; readonly signal: StopSignal }
  /** The program that is to end if the supervisor is lost. */
  | ({ readonly type: "program-started" } & ProgramProcess)
  | { readonly type: "program-exit"; readonly status: number }
  /** Another program may have moved its log file. */
  | { readonly type: "reopen-log" }
  /** The process of another rank has ended. */
  | { readonly type: "rank-exit"; readonly rank: number };

/** How a process ended. */
export interface Ended {
  readonly status: number;
  readonly signal: NodeJS.Signals | null;
  readonly error?: Error;
}

/** Shows the progress of the phases of brokers, from their output and the reports of rank 0 on descriptor 4. */
export interface PhaseView {
  attach(broker: ChildProcess): void;
  /** Resolves when the initial program can use the terminal. */
  leave(): Promise<void>;
  /** The initial program has ended. */
  resume(): void;
}

export interface BrokerProcessOptions {
  readonly rank: number;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onReport: (report: BrokerReport) => void;
  readonly view?: PhaseView | undefined;
}

/**
 * The environment variable of all processes of a broker's rc1 or rc3: its process id. They are in process
 * groups of their own. A killed broker can no longer name them.
 */
export const PHASE_MARK = "SLUICE_PHASE_OF";

/** How long the processes of a killed broker may take to notice that, before the supervisor kills them. */
const ORPHAN_GRACE_MS = 2000;
const ORPHAN_CHECK_MS = 50;

/** One broker that a supervisor has started, in a session of its own, and the processes that the broker has started. */
export class BrokerProcess {
  readonly rank: number;
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  /** The mark of its processes. */
  readonly #mark: Mark | undefined;
  #state: LifeState | undefined;
  #unclean = false;

  constructor({ rank, argv: [file = "", ...args], env, onReport, view }: BrokerProcessOptions) {
    this.rank = rank;
    // The broker has a session of its own. A signal of the terminal therefore reaches it once, through the
    // supervisor.
    this.#child = startProcess(file, args, {
      env,
      detached: true,
      stdio:
        view === undefined
          ? ["ignore", process.stderr, "inherit", "ipc"]
          : ["ignore", "pipe", "pipe", "ipc", rank === 0 ? "pipe" : "ignore"],
    });
    this.#mark = this.#child.pid === undefined ? undefined : markOf(this.#child.pid);
    view?.attach(this.#child);
    this.#child.on("message", (report: BrokerReport) => {
      this.#note(report);
      onReport(report);
    });
    this.ended = ended(this.#child);
  }

  /** Whether it can still receive orders. */
  get isConnected(): boolean {
    return this.#child.connected;
  }

  /** Whether it has reported that a part of its shutdown failed. */
  get unclean(): boolean {
    return this.#unclean;
  }

  /** The present state of its life; undefined before that has begun. */
  get state(): LifeState | undefined {
    return this.#state;
  }

  order(order: SupervisorOrder): void {
    // Without a callback, a broker that ends meanwhile would count as an error of ours.
    if (this.#child.connected) this.#child.send(order, () => undefined);
  }

  /** Ends it and all processes that it started, at once. */
  kill(): void {
    const { pid } = this.#child;
    if (pid !== undefined && signalGroup(pid, 0) === "sent") killTree(pid);
  }

  /** Waits, after it has ended, until all its processes have ended; kills them after the grace time. */
  async cleanUp(): Promise<void> {
    await this.#endPhases();
    // A broker that ended by itself has killed its processes. A remaining one belongs to another user.
    if (this.#child.signalCode !== null) await sweep(this.#mark);
  }

  async #endPhases(): Promise<void> {
    const { pid, signalCode } = this.#child;
    if (pid === undefined) return;
    const deadlineMs = performance.now() + ORPHAN_GRACE_MS;
    // A signal may kill a broker as it starts a process. That process has no mark yet. Only the second search
    // finds it.
    let wasClean = signalCode === null;
    for (;;) {
      // A broker that ended by itself has waited for its rc1 and rc3.
      const phases = signalCode === null ? [] : processesWith(PHASE_MARK, String(pid));
      const isClean = phases.length === 0 && signalGroup(pid, 0) !== "sent";
      if (isClean && wasClean) return;
      wasClean = isClean;
      if (performance.now() > deadlineMs) {
        phases.forEach(killTree);
        signalGroup(pid, "SIGKILL");
        return;
      }
      // A run of a plan that gets two stops cancels its running steps.
      for (const phase of phases) signalProcess(phase, "SIGTERM");
      await sleep(ORPHAN_CHECK_MS);
    }
  }

  #note(report: BrokerReport): void {
    if (report.type === "state") this.#state = report.state;
    else if (report.type === "unclean") this.#unclean = true;
  }
}

function ended(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ status: 1, signal: null, error }));
    child.once("exit", (code, signal) => resolve({ status: shellStatus(endOf(code, signal)), signal }));
  });
}

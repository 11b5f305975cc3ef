import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { messageOf, systemMessage } from "../../errors/index.js";
import {
  endOf,
  missingInterpreter,
  partEndText,
  startTimer,
  type Timer,
  SAME_SIGNAL_MS,
  SignalWindow,
} from "../../processes/index.js";
import { BrokerProcess, type BrokerReport, type Ended, type PhaseView } from "./broker-process.js";
import type { PhaseProcess, StopSignal } from "./instance-life.js";
import { spawnPhase } from "./phase-process.js";
import { removeRankFiles } from "../rundir.js";

export interface SupervisorOptions {
  /** The command lines of the brokers, by rank. */
  readonly brokerArgvs: readonly (readonly string[])[];
  /** The run directory of all brokers. Its maker removes it. */
  readonly rundir: string;
  /** The initial program; undefined if there is none. */
  readonly programArgv: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How long an orderly shutdown may take. Brokers keep to it themselves. This limit is for a broker that cannot. */
  readonly shutdownTimeoutMs: number;
  /** Within this time after the first signal, a further one counts as the same. Default: {@link SAME_SIGNAL_MS}. */
  readonly sameSignalMs?: number | undefined;
  /** Whether a terminal sends its own signals to the initial program. */
  readonly onTerminal: boolean;
  /** Prints a message for people. */
  readonly say: (text: string) => void;
  /** The line for the user before the initial program gets the terminal. */
  readonly welcome?: string | undefined;
  /** Gets the reports of rank 0. */
  readonly onReport?: ((report: BrokerReport) => void) | undefined;
  /** Shows the progress of rc1 and rc3. Without a view, the brokers have our standard error themselves. */
  readonly view?: PhaseView | undefined;
}

/** The extra time of a broker before the supervisor kills it. */
const KILL_GRACE_MS = 5000;

/**
 * The process of `sluice start`, apart from the brokers. It starts the brokers, and runs the initial program on its
 * own standard input and output. It cleans up after all of them, even after a SIGKILL, and ends with the exit status.
 *
 * Rank 0 shuts the other ranks down. If rank 0 is lost, the other ranks notice that themselves.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  /** By rank. Rank 0 is the first to be started. */
  readonly #brokers: BrokerProcess[] = [];
  /** Settle when the other brokers have ended and all their processes are gone. */
  readonly #watched: Promise<void>[] = [];
  #program: PhaseProcess | undefined;
  readonly #signals: SignalWindow;
  #stopCount = 0;
  #leaderHasEnded = false;
  #otherFailed = false;
  #lastResort: Timer | undefined;
  #lastResortAtMs = Infinity;
  #handedOver: Promise<void> = Promise.resolve();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#signals = new SignalWindow(() => options.sameSignalMs ?? SAME_SIGNAL_MS);
  }

  /** Runs the instance to its end. Resolves to the exit status. */
  async run(): Promise<number> {
    const leader = this.#startBroker(0, (report) => this.#onReport(report));
    this.#startOthers(availableParallelism() - 1);
    const end = await leader.ended;
    this.#leaderHasEnded = true;
    await this.#handedOver;
    this.#program?.kill();
    await this.#program?.exited;
    await leader.cleanUp();
    await this.#endOthers();
    this.#lastResort?.cancel();
    return this.#statusOf(end);
  }

  #startBroker(rank: number, onReport: (report: BrokerReport) => void = () => undefined): BrokerProcess {
    const { brokerArgvs, env, view } = this.#options;
    const broker = new BrokerProcess({ rank, argv: brokerArgvs[rank] ?? [], env, onReport, view });
    this.#brokers.push(broker);
    return broker;
  }

  /**
   * Until other ranks can join rank 0, it starts at most one broker for each processor. More brokers would slow rank
   * 0 down.
   */
  #startOthers(most = Infinity): void {
    if (this.#stopCount > 0) return;
    const started = this.#brokers.length;
    const end = Math.min(started + most, this.#options.brokerArgvs.length);
    for (let rank = started; rank < end; rank++) this.#watched.push(this.#watch(this.#startBroker(rank)));
  }

  /**
   * Passes on a signal. A second signal kills all remaining processes, unless it comes so soon that it counts as the
   * first one.
   */
  stop(signal: StopSignal): void {
    // The terminal has also sent the signal to the initial program, which decides how it ends.
    if (signal === "SIGINT" && this.#options.onTerminal && this.#program !== undefined) return;
    if (!this.#signals.isNew()) return;
    this.#stopCount += 1;
    const [leader, ...others] = this.#brokers;
    leader?.order({ type: "stop", signal });
    if (this.#stopCount === 1) {
      this.#killAfter(this.#options.shutdownTimeoutMs + KILL_GRACE_MS);
      return;
    }
    // The other ranks get both signals now, because rank 0 may not have passed on the first.
    for (const broker of [...others, ...others]) broker.order({ type: "stop", signal });
    this.#killAfter(KILL_GRACE_MS);
  }

  /** Makes each broker continue in the file that now has the path of its log. */
  reopenLogs(): void {
    for (const broker of this.#brokers) broker.order({ type: "reopen-log" });
  }

  /** Passes on a signal that only concerns the initial program. */
  forward(signal: NodeJS.Signals): void {
    this.#program?.signal(signal);
  }

  #statusOf({ status, signal, error }: Ended): number {
    const { say } = this.#options;
    const isAlone = this.#options.brokerArgvs.length === 1;
    if (error !== undefined) say(`cannot start the broker: ${error.message}`);
    if (signal !== null) {
      const how = partEndText(endOf(status, signal));
      say(isAlone ? `broker ${how}` : `rank 0 ${how}: the instance ends`);
      return 1;
    }
    return this.#otherFailed ? Math.max(status, 1) : status;
  }

  /** Cleans up after a rank other than 0 that ends. */
  async #watch(broker: BrokerProcess): Promise<void> {
    const { rundir, say } = this.#options;
    const { rank } = broker;
    const { status, signal, error } = await broker.ended;
    try {
      removeRankFiles(rundir, rank);
    } catch (cause) {
      // The removal of the run directory also removes its remaining files.
      say(`cannot remove the files of rank ${rank}: ${messageOf(cause)}`);
    }
    const [leader] = this.#brokers;
    leader?.order({ type: "rank-exit", rank });
    const isExpected = this.#leaderHasEnded || this.#stopCount > 0 || this.#isGoingDown();
    // A broker that was killed during its shutdown has not finished its rc3.
    this.#otherFailed ||= isExpected && (broker.unclean || signal !== null);
    if (error !== undefined) say(`cannot start rank ${rank}: ${error.message}`);
    else if (!isExpected) say(`rank ${rank} ${partEndText(endOf(status, signal))}`);
    await broker.cleanUp();
  }

  /** Whether rank 0 has ordered the shutdown of the other ranks. */
  #isGoingDown(): boolean {
    const state = this.#brokers[0]?.state;
    return state === "shutdown" || state === "finalize" || state === "goodbye";
  }

  /** Ends the other ranks after rank 0 has ended, cleanly or not. */
  async #endOthers(): Promise<void> {
    for (const broker of this.#brokers.slice(1)) {
      // Joined ranks have already received it, and would count it as a second signal.
      if (broker.state === undefined) broker.order({ type: "stop", signal: "SIGTERM" });
    }
    // If rank 0 shut down cleanly, it has already waited for the other ranks, so they get only the grace time.
    this.#killAfter((this.#isGoingDown() ? 0 : this.#options.shutdownTimeoutMs) + KILL_GRACE_MS);
    await Promise.all(this.#watched);
  }

  /** Ends all remaining processes after a time, unless they have ended before. */
  #killAfter(delayMs: number): void {
    const atMs = performance.now() + delayMs;
    if (atMs >= this.#lastResortAtMs) return;
    this.#lastResort?.cancel();
    this.#lastResortAtMs = atMs;
    this.#lastResort = startTimer(delayMs, () => {
      for (const broker of this.#brokers) broker.kill();
    });
  }

  #onReport(report: BrokerReport): void {
    this.#options.onReport?.(report);
    switch (report.type) {
      case "program-start":
        this.#handedOver = this.#handOver(report.env);
        return;
      case "program-signal":
        void this.#handedOver.then(() => this.#program?.signal(report.signal));
        return;
      case "program-kill":
        void this.#handedOver.then(() => this.#program?.kill());
        return;
      case "state":
        if (report.state === "init") this.#startOthers();
        return;
      case "stopping":
        this.#allow(report.timeoutMs ?? Infinity);
        return;
      case "serving":
      case "unclean":
        return;
    }
  }

  /** Only the leader can compute how long its modules may take. A second signal must not extend that time. */
  #allow(timeoutMs: number): void {
    if (this.#stopCount !== 1 || timeoutMs <= this.#options.shutdownTimeoutMs) return;
    this.#lastResort?.cancel();
    this.#lastResortAtMs = Infinity;
    this.#killAfter(timeoutMs + KILL_GRACE_MS);
  }

  async #handOver(env: Readonly<Record<string, string>>): Promise<void> {
    await this.#options.view?.leave();
    // The process may have ended meanwhile.
    if (this.#brokers[0]?.isConnected) this.#startProgram(env);
  }

  #startProgram(env: Readonly<Record<string, string>>): void {
    const { programArgv, onTerminal, say, welcome } = this.#options;
    if (programArgv === undefined)
      throw new Error("the broker requested an initial program, which is not set");
    if (welcome !== undefined) say(welcome);
    const program = spawnPhase({
      argv: programArgv,
      env,
      stdio: "inherit",
      ownGroup: !onTerminal,
      onStartError: (error) => say(`${programArgv[0] ?? ""}: ${startErrorText(programArgv[0] ?? "", error)}`),
    });
    this.#program = program;
    const pid = program.child?.pid;
    const [leader] = this.#brokers;
    if (pid !== undefined) leader?.order({ type: "program-started", pid, ownGroup: !onTerminal });
    void program.exited.then((status) => {
      this.#program = undefined;
      this.#options.view?.resume();
      leader?.order({ type: "program-exit", status });
    });
  }
}

function startErrorText(command: string, error: NodeJS.ErrnoException): string {
  const why =
    error.code === "ENOENT"
      ? (missingInterpreter(command, error) ?? "command not found")
      : systemMessage(error);
  const isUnitFile = /\.(toml|ya?ml|json)$/.test(command) && existsSync(command);
  return isUnitFile ? `${why}; to start the units of a file, use 'sluice start -f ${command}'` : why;
}

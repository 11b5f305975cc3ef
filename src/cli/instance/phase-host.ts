import type { Readable } from "node:stream";
import {
  type Broker,
  PHASE_MARK,
  type PhaseProcess,
  spawnPhase,
  type StopSignal,
} from "../../broker/index.js";
import { allIsRead, startTimer } from "../../processes/index.js";
import { LineSplitter } from "../../rc/index.js";
import { say } from "../terminal/output.js";
import { PACKAGE_ROOT } from "../version.js";
import type { BrokerCommandOptions } from "./broker-place.js";
import { parseOutput, type PhaseNews, type PhaseOrder, type PhaseStart } from "./phase-link.js";

/** The longest line of a phase: a line of a task as JSON, in which each character may take six. */
const OUTPUT_LENGTH = 8 * 1024 * 1024;

/** How long a phase whose time is over may take to cancel its running steps. */
const EXPIRED_GRACE_MS = 5000;

type Phase = PhaseStart["phase"];

/** The start of a phase. */
export interface PhaseBegin extends PhaseStart {
  /** The longest time that it may take; Infinity: without limit. */
  readonly timeoutMs: number;
  /** The message after the time-out. */
  readonly timeoutText: string;
  readonly onNews: (news: PhaseNews) => void;
}

/**
 * The process that plans and runs rc1, rc3 or both. It starts before the broker needs it, because its start takes
 * longer than a phase itself. It then waits for the order to begin.
 */
export class PhaseHost {
  readonly #process: ReturnType<typeof spawnPhase>;
  readonly #isAlone: boolean;
  #phase: Phase;
  #rank = 0;
  #onLine: (line: string) => void = () => undefined;
  #onNews: (news: PhaseNews) => void = () => undefined;
  #isResting = false;

  /** @param prefix our name in the message when it cannot be started */
  constructor(phase: Phase, options: BrokerCommandOptions, prefix: string) {
    this.#phase = phase;
    this.#isAlone = options.rank === 0 && (options.size ?? 1) === 1;
    const argv = [process.execPath, `${PACKAGE_ROOT}dist/cli/main.cjs`, "modprobe", phase, "--phase"];
    if (options.verbose) argv.push("--verbose");
    else if (options.quiet) argv.push("--quiet");
    if (options.eventsFd !== undefined) argv.push("--events-fd=3");
    if (options.insecure) argv.push("--insecure");
    this.#process = spawnPhase({
      argv,
      env: { ...process.env, [PHASE_MARK]: String(process.pid) },
      stdio: ["ignore", "pipe", this.#isAlone ? "inherit" : "pipe", options.eventsFd ?? "ignore", "ipc"],
      ownGroup: true,
      onStartError: (error) => say(`${prefix}: ${this.#phase}: ${error.message}`),
    });
    const { child } = this.#process;
    eachLine(child?.stdout, (line) => this.#onLine(line), OUTPUT_LENGTH);
    eachLine(child?.stderr, (line) => say(`${this.#phase}[${this.#rank}]: ${line}`));
    child?.on("message", (news: PhaseNews) => this.#onNews(news));
  }

  /** Whether it has run a phase, and can run another one. */
  get isResting(): boolean {
    return this.#isResting;
  }

  /** Resolves when the process has ended. */
  get ended(): Promise<unknown> {
    return this.#process.exited;
  }

  /** Makes it begin a phase. The phase has ended when the process has ended, or has reported that it can run another one. */
  begin(broker: Broker, { timeoutMs, timeoutText, onNews, ...start }: PhaseBegin): PhaseProcess {
    this.#phase = start.phase;
    this.#rank = broker.rank;
    this.#isResting = false;
    this.#onLine = (line) => broker.taskOutput(this.#phase, parseOutput(line));
    const done = new Promise<number>((resolve) => {
      this.#onNews = (news) => {
        if (news.type !== "done") {
          onNews(news);
          return;
        }
        this.#isResting = true;
        resolve(0);
      };
    });
    const env = { ...start.env, [PHASE_MARK]: String(process.pid) };
    this.#order({ type: "go", ...start, env });
    const patience = startTimer(timeoutMs + EXPIRED_GRACE_MS, () => this.#process.kill());
    const timer = startTimer(timeoutMs, () => this.#order({ type: "expire", message: timeoutText }));
    const exited = Promise.race([done, this.#process.exited]).then(async (status) => {
      // Its messages came through other pipes, and came earlier.
      await allIsRead();
      timer.cancel();
      patience.cancel();
      return status;
    });
    return {
      exited,
      signal: (signal) => this.#order({ type: "stop", signal: signal as StopSignal }),
      hurry: (cancelAfterMs) => this.#order({ type: "hurry", cancelAfterMs }),
      kill: () => this.#process.kill(),
    };
  }

  /** Ends a host that is not needed. */
  async discard(): Promise<void> {
    this.#process.kill();
    await this.#process.exited;
  }

  #order(order: PhaseOrder): void {
    const { child } = this.#process;
    // Without a callback, a process that ends meanwhile would count as an error of ours.
    if (child?.connected === true) child.send(order, () => undefined);
  }
}

/** Calls back for each whole line. */
export function eachLine(
  stream: Readable | null | undefined,
  onLine: (line: string) => void,
  longest?: number,
): void {
  if (!stream) return;
  const lines = new LineSplitter(onLine, longest);
  stream.on("data", (chunk: Buffer) => lines.push(chunk)).on("end", () => lines.end());
}

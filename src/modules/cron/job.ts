import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  commandEndText,
  endOf,
  isSuccess,
  releaseOutputs,
  signalGroup,
  startProcess,
  startTimer,
} from "../../processes/index.js";

/** The job logs a longer line of output in pieces. */
const LINE_MAX = 4096;
/**
 * The number of lines that it logs in one turn of the event loop, because other modules share the thread, and a
 * command may print without end.
 */
const LINES_A_TURN = 64;
/** The time between SIGTERM and SIGKILL. */
const GRACE_MS = 500;

/** The reports of a job. */
export interface JobListener {
  line(stream: "stdout" | "stderr", text: string): void;
}

/** A shell command in a process group of its own. */
export class Job {
  readonly #child: ChildProcess;
  #settle: (failure: string | undefined) => void = () => undefined;
  /** Resolves to the cause of a failure, in words, or undefined after exit status 0. */
  readonly ended: Promise<string | undefined>;

  constructor(command: string, listener: JobListener) {
    const child = startProcess("bash", ["-c", command], {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      realPipes: true,
    });
    this.#child = child;
    void readLines(child.stdout, (text) => listener.line("stdout", text));
    void readLines(child.stderr, (text) => listener.line("stderr", text));
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
      child.once("error", (error) => resolve(error.message));
      // This waits for `exit` and not for `close`, because a process that the command left behind may hold the pipes
      // for ever.
      child.once("exit", (code, signal) => {
        const end = endOf(code, signal);
        resolve(isSuccess(end) ? undefined : commandEndText(end));
      });
    });
  }

  /** Ends the whole process group. It resolves when the command has ended, or when it cannot be ended. */
  async kill(): Promise<void> {
    this.#signal("SIGTERM");
    const timer = startTimer(GRACE_MS, () => this.#signal("SIGKILL"));
    await this.ended;
    timer.cancel();
    // The command has ended. Its child processes may still run.
    this.#signal("SIGKILL");
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined || signalGroup(pid, signal) !== "denied") return;
    this.#child.unref();
    releaseOutputs(this.#child);
    this.#settle(`process ${pid} belongs to another user and continues`);
  }
}

/** Output that is still in the pipes when the job abandons them is lost. */
async function readLines(stream: Readable, take: (line: string) => void): Promise<void> {
  let taken = 0;
  try {
    for await (const line of linesOf(stream)) {
      take(line);
      if (++taken % LINES_A_TURN === 0) await nextTurn();
    }
  } catch (error) {
    if (!stream.destroyed) throw error;
  }
}

async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let rest = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    for (; rest.length > LINE_MAX; rest = rest.slice(LINE_MAX)) yield rest.slice(0, LINE_MAX);
  }
  if (rest !== "") yield rest;
}

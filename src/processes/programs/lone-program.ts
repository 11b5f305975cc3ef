import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { errnumOf, messageOf, SluiceError, strerror } from "../../errors/index.js";
import { foundBy, type Mark, membersOf, partEnvironment } from "../mark.js";
import { endOf, type ProcessEnd, releaseOutputs } from "../process-end.js";
import { setChildRef } from "../refs.js";
import { killGroup, signalGroup, signalProcess } from "../signals.js";
import { startProcess } from "../start-process.js";
import type { MemberProcess, ProgramStart, SignalTarget, SupervisedProgram } from "./supervised-program.js";
import { startInterval, startTimer } from "../timers.js";

/** The time between two checks for remaining processes, after the main process has ended. */
const LOOK_MS = 50;

/** How long output may still come when all processes have ended. */
const LAST_OUTPUT_MS = 100;

/** Starts a program from Node directly, where there is no helper. Its processes are those with its mark. */
export async function startAlone(start: ProgramStart): Promise<SupervisedProgram> {
  const { env, mark } = partEnvironment(start.env);
  const { output, readyFd } = start;
  const own = output === "capture" ? "pipe" : output === "discard" ? "ignore" : output;
  const stdio: ("ignore" | "pipe" | "inherit" | number)[] = ["ignore", own, own];
  if (readyFd !== undefined) {
    while (stdio.length < readyFd) stdio.push("ignore");
    stdio.push("pipe");
  }
  const child = startProcess(start.file, start.args, { cwd: start.cwd, env, detached: true, stdio });
  try {
    await once(child, "spawn");
  } catch (cause) {
    const errnum = errnumOf(cause);
    const reason = errnum === undefined ? messageOf(cause) : strerror(errnum);
    throw new SluiceError("LOAD_FAILED", `${start.file}: ${reason}`, { errnum, cause });
  }
  return new LoneProgram(child, start, mark);
}

class LoneProgram implements SupervisedProgram {
  readonly pid: number;
  readonly wasOverMemoryLimit = undefined;
  readonly ended: Promise<ProcessEnd>;
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;
  readonly #mark: Mark | undefined;
  #isKilling = false;

  constructor(child: ChildProcess, { listener, readyFd }: ProgramStart, mark: Mark | undefined) {
    this.pid = child.pid ?? 0;
    this.#child = child;
    this.#mark = mark;
    child.stdout?.on("data", (bytes: Buffer) => listener.output("stdout", bytes));
    child.stderr?.on("data", (bytes: Buffer) => listener.output("stderr", bytes));
    child.stdio[readyFd ?? 0]?.on("data", (bytes: Buffer) => {
      if (bytes.includes("\n")) listener.readyOnDescriptor();
    });
    this.ended = new Promise((resolve) => child.once("exit", (...end) => resolve(endOf(...end))));
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    this.gone = this.#untilGone(child, closed);
  }

  signal(signal: NodeJS.Signals, target: SignalTarget): void {
    switch (target) {
      case "main":
        signalProcess(this.pid, signal);
        return;
      case "group":
        signalGroup(this.pid, signal);
        return;
      case "all":
        for (const { pid } of this.#members() ?? []) signalProcess(pid, signal);
    }
  }

  kill(): void {
    this.#isKilling = true;
    killGroup(this.pid);
    for (const { pid } of this.#members() ?? []) signalProcess(pid, "SIGKILL");
  }

  setRef(isRef: boolean): void {
    setChildRef(this.#child, isRef);
  }

  members(): Promise<readonly MemberProcess[]> {
    return Promise.resolve(this.#members() ?? []);
  }

  /**
   * A zombie has ended. Its own parent, or process 1, reaps it.
   * @returns undefined as long as this process cannot open a file
   */
  #members(): readonly MemberProcess[] | undefined {
    return foundBy(() => membersOf(this.#mark))?.filter(({ state }) => state !== "Z");
  }

  async #untilGone(child: ChildProcess, closed: Promise<void>): Promise<void> {
    await this.ended;
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.#isKilling) this.kill();
        if (this.#members()?.length !== 0) return;
        interval.cancel();
        resolve();
      };
      const interval = startInterval(LOOK_MS, look);
      look();
    });
    await new Promise<void>((resolve) => {
      const timer = startTimer(LAST_OUTPUT_MS, resolve);
      void closed.then(() => {
        timer.cancel();
        resolve();
      });
    });
    releaseOutputs(child);
  }
}

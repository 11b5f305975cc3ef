import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { Socket } from "node:net";
import { errnumOf, messageOf, SluiceError, strerror } from "../../errors/index.js";
import { ProgramCgroup } from "../cgroups.js";
import { helper } from "../init-helper.js";
import { type Mark, partEnvironment, sweep } from "../mark.js";
import { hardOpenFilesLimit, openFilesLimit } from "../open-files-limit.js";
import { endOf, type ProcessEnd, signalOfNumber } from "../process-end.js";
import { setChildRef } from "../refs.js";
import { startProcess } from "../start-process.js";
import type { MemberProcess, ProgramStart, SignalTarget, SupervisedProgram } from "./supervised-program.js";
import { startTimer } from "../timers.js";

const CONTROL_FD = 3;
const HEAD_BYTES = 5;

/** After each millisecond of work on output, the loop has this many milliseconds for other work. */
const REST_FACTOR = 3;

/** Below this time, output takes little of the loop. This therefore requests more at once. */
const LIGHT_MS = 1;

/** Orders to the helper, by the target of a signal (`native/supervise.c`). */
const SIGNAL_ORDERS: Readonly<Record<SignalTarget, string>> = { main: "m", group: "g", all: "t" };

/** Whether the helper starts programs: if it was built, and the environment does not forbid it. */
export function canSupervise(): boolean {
  return helper() !== undefined;
}

/** Starts a program by the helper, which does the parts that Node cannot do. */
export async function startUnderHelper(start: ProgramStart): Promise<SupervisedProgram> {
  const { env, mark } = partEnvironment(start.env);
  const own =
    typeof start.output === "number" ? start.output : start.output === "inherit" ? "inherit" : "ignore";
  const cgroup = mark === undefined ? undefined : ProgramCgroup.make(mark.text, start.memoryLimitBytes);
  const cgroupOptions = (cgroup?.directories ?? []).map((directory) => `--cgroup=${directory}`);
  const args = [...optionsOf(start), ...cgroupOptions, "--", start.file, ...start.args];
  const child = startProcess(helper() ?? "", ["--supervise", ...args], {
    cwd: start.cwd,
    env,
    detached: true,
    stdio: ["ignore", own, own, "pipe"],
    // The helper sets the limit without a shell in between.
    setsOpenFiles: true,
  });
  const program = new HelpedProgram(child, start, { cgroup, mark });
  await program.started;
  return program;
}

function optionsOf({ output, readyFd, hasNotifySocket, identity, limits = [] }: ProgramStart): string[] {
  return [
    ...(output === "capture" ? ["--capture"] : []),
    ...(hasNotifySocket === true ? ["--notify"] : []),
    ...(readyFd === undefined ? [] : [`--ready-fd=${readyFd}`]),
    ...(identity === undefined
      ? []
      : [`--uid=${identity.uid}`, `--gid=${identity.gid}`, `--groups=${identity.groups.join(",")}`]),
    ...(limits.some(({ name }) => name === "nofile") ? [] : openFilesOption()),
    ...limits.map(({ name, soft, hard }) => `--limit=${name}=${limitText(soft)}:${limitText(hard)}`),
  ];
}

/** Node has raised its own limit, which the program must not inherit. */
function openFilesOption(): string[] {
  const [soft, hard] = [openFilesLimit(), hardOpenFilesLimit()];
  if (soft === undefined || hard === undefined) return [];
  return [`--limit=nofile=${soft}:${hard.replace("unlimited", "infinity")}`];
}

function limitText(value: number): string {
  return value === Infinity ? "infinity" : String(value);
}

/** The means to find the remaining processes of a program. */
interface Traces {
  readonly cgroup: ProgramCgroup | undefined;
  readonly mark: Mark | undefined;
}

class HelpedProgram implements SupervisedProgram {
  readonly started: Promise<undefined>;
  readonly ended: Promise<ProcessEnd>;
  readonly gone: Promise<void>;
  #pid = 0;
  readonly #start: ProgramStart;
  readonly #cgroup: ProgramCgroup | undefined;
  #wasOverLimit = false;
  readonly #child: ChildProcess;
  readonly #control: Socket;
  readonly #lists: ((members: readonly MemberProcess[]) => void)[] = [];
  #parts: Buffer[] = [];
  #partBytes = 0;
  #takenBytes = 0;
  #spentMs = 0;
  #isResting = false;
  readonly #settle: {
    started(): void;
    failed(error: Error): void;
    ended(end: ProcessEnd): void;
  };

  constructor(child: ChildProcess, start: ProgramStart, traces: Traces) {
    this.#child = child;
    this.#start = start;
    this.#cgroup = traces.cgroup;
    const started = settled<undefined>();
    const ended = settled<ProcessEnd>();
    this.started = started.promise;
    this.ended = ended.promise;
    this.#settle = {
      started: () => started.resolve(undefined),
      failed: started.reject,
      ended: ended.resolve,
    };
    this.#control = socketOf(child.stdio[CONTROL_FD]);
    this.#control.on("data", (chunk: Buffer) => this.#receive(chunk));
    // Its exit shows that it has gone.
    this.#control.on("error", () => this.#control.destroy());
    const closed = new Promise<void>((resolve) => this.#control.once("close", () => resolve()));
    child.once("error", (cause) => this.#fail(cause));
    this.gone = this.#untilGone(closed, traces);
  }

  get pid(): number {
    return this.#pid;
  }

  get wasOverMemoryLimit(): boolean | undefined {
    if (this.#cgroup?.limitsMemory !== true) return undefined;
    this.#lookAtMemory();
    return this.#wasOverLimit;
  }

  /** A recorded violation stays even after the removal of the cgroup. */
  #lookAtMemory(): void {
    this.#wasOverLimit ||= this.#cgroup?.wasOverLimit === true;
  }

  signal(signal: NodeJS.Signals, target: SignalTarget): void {
    this.#order(`${SIGNAL_ORDERS[target]} ${constants.signals[signal]}`);
  }

  kill(): void {
    this.#order("k");
  }

  setRef(isRef: boolean): void {
    setChildRef(this.#child, isRef);
  }

  members(): Promise<readonly MemberProcess[]> {
    if (this.#control.destroyed) return Promise.resolve([]);
    this.#order("l");
    return new Promise((resolve) => this.#lists.push(resolve));
  }

  #order(line: string): void {
    if (!this.#control.destroyed) this.#control.write(`${line}\n`);
  }

  async #untilGone(closed: Promise<void>, { cgroup, mark }: Traces): Promise<void> {
    const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      this.#child.once("exit", (...end) => resolve(end));
      this.#child.once("error", () => resolve([null, null]));
    });
    await closed;
    this.#fail(new Error("the helper has ended"));
    this.#lookAtMemory();
    await cgroup?.clear();
    // If the helper was killed, the mark finds all processes that it has left.
    if (status !== 0) await sweep(mark);
    this.#settle.ended(endOf(status, signal));
    for (const resolve of this.#lists.splice(0)) resolve([]);
  }

  #fail(cause: Error): void {
    const errnum = errnumOf(cause);
    const reason = errnum === undefined ? messageOf(cause) : strerror(errnum);
    const message = `${this.#start.file}: ${reason}`;
    this.#settle.failed(new SluiceError("LOAD_FAILED", message, { errnum, cause }));
  }

  #receive(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#partBytes += chunk.length;
    for (;;) {
      const head = this.#peek(HEAD_BYTES);
      if (head === undefined) return;
      const length = head.readUInt32BE(1);
      if (this.#partBytes < HEAD_BYTES + length) return;
      const frame = this.#take(HEAD_BYTES + length);
      this.#frame(String.fromCharCode(frame[0] ?? 0), frame.subarray(HEAD_BYTES));
    }
  }

  /** The next bytes, joined; undefined while there are fewer. */
  #peek(count: number): Buffer | undefined {
    if (this.#partBytes < count) return undefined;
    const [first] = this.#parts;
    if (first !== undefined && first.length >= count) return first;
    this.#parts = [Buffer.concat(this.#parts)];
    return this.#parts[0];
  }

  #take(count: number): Buffer {
    const whole = this.#peek(count) ?? Buffer.alloc(0);
    this.#parts[0] = whole.subarray(count);
    if (whole.length === count) this.#parts.shift();
    this.#partBytes -= count;
    return whole.subarray(0, count);
  }

  #frame(type: string, payload: Buffer): void {
    switch (type) {
      case "1":
        this.#output("stdout", payload);
        return;
      case "2":
        this.#output("stderr", payload);
        return;
      case "D": {
        const [stream, bytes] = payload.toString().split(" ");
        this.#start.listener.leftOut(stream === "1" ? "stdout" : "stderr", Number(bytes));
        return;
      }
      case "N":
        this.#start.listener.notified(payload.toString());
        return;
      case "R":
        this.#start.listener.readyOnDescriptor();
        return;
      case "P":
        this.#pid = Number(payload.toString());
        this.#settle.started();
        return;
      case "E":
        this.#fail(startError(payload.toString()));
        return;
      case "X":
        this.#settle.ended(endFrom(payload.toString()));
        return;
      case "G":
        // The helper may end now, because this process has received everything.
        this.#control.destroy();
        return;
      case "L":
        this.#lists.shift()?.(membersIn(payload.toString()));
    }
  }

  #output(stream: "stdout" | "stderr", bytes: Buffer): void {
    const beganMs = performance.now();
    this.#start.listener.output(stream, bytes);
    this.#spentMs += performance.now() - beganMs;
    this.#takenBytes += bytes.length;
    if (this.#spentMs < LIGHT_MS) {
      // The chunk may contain more messages.
      if (!this.#isResting) this.#restFor(0);
    } else if (!this.#isResting) this.#restFor(this.#spentMs * REST_FACTOR);
  }

  /**
   * Requests more after a while. Meanwhile the helper keeps as many events as it has room for, and counts the rest.
   */
  #restFor(restMs: number): void {
    this.#isResting = true;
    const goOn = (): void => {
      this.#isResting = false;
      const owedMs = this.#spentMs >= LIGHT_MS && restMs === 0 ? this.#spentMs * REST_FACTOR : 0;
      if (owedMs > 0) {
        this.#restFor(owedMs);
        return;
      }
      this.#order(`a ${this.#takenBytes}`);
      this.#takenBytes = 0;
      this.#spentMs = 0;
    };
    if (restMs === 0) setImmediate(goOn);
    else startTimer(restMs, goOn);
  }
}

/** A promise, and the functions that settle it. */
function settled<T>(): {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
} {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((...both) => ([resolve, reject] = both));
  // The caller may read the result later.
  promise.catch(() => undefined);
  return { promise, resolve: (value) => resolve(value), reject: (error) => reject(error) };
}

function socketOf(stream: unknown): Socket {
  if (stream instanceof Socket) return stream;
  throw new SluiceError("INTERNAL", "a program has started without its channel");
}

/**
 * The error of a failed start, from the text `ERRNUM STEP`. The step is missing if the program itself could not be
 * executed.
 */
function startError(text: string): Error {
  const [errnum = "0", ...step] = text.split(" ");
  const what = step.join(" ");
  const reason = strerror(Number(errnum));
  const hint = what === "cgroup" ? "; SLUICE_NO_CGROUP=1 starts programs without a cgroup" : "";
  const message = what === "" || what === "exec" ? reason : `${what}: ${reason}${hint}`;
  return new SluiceError("LOAD_FAILED", message, { errnum: Number(errnum) });
}

function endFrom(text: string): ProcessEnd {
  const [kind, number] = text.split(" ");
  return kind === "s"
    ? { kind: "killed", signal: signalOfNumber(Number(number)) }
    : { kind: "exited", status: Number(number) };
}

function membersIn(text: string): MemberProcess[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [pid, state = "?", ...name] = line.split(" ");
      return { pid: Number(pid), state, name: name.join(" ") };
    });
}

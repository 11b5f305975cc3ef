/**
 * The life of rank 0 of an instance (instance.md §1), as a state machine over processes that somebody else starts.
 *
 *     join ─► init ─► quorum ─► run ─► cleanup ─► shutdown ─► finalize ─► goodbye
 *              rc1               program            stop         rc3
 *               │                                    ▲
 *               └── rc1 failed, or told to stop ─────┘
 *
 * `stop` is taken in every state: it asks the process of that state to end and lets the machine go on to `finalize`;
 * a second `stop`, or the shutdown time-out, kills the process of every state that is still to come.
 */
export type LifeState = "join" | "init" | "quorum" | "run" | "cleanup" | "shutdown" | "finalize" | "goodbye";

/** Signals that end an instance. */
export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** Why an instance is to end. */
export type StopReason =
  | { readonly kind: "signal"; readonly signal: StopSignal }
  /** `broker.shutdown`. */
  | { readonly kind: "request" }
  /** A module failed whose policy is `panic`, or the instance lost its supervisor. */
  | { readonly kind: "panic"; readonly message: string };

/** A started rc phase or initial program. */
export interface PhaseProcess {
  /** Exit status; 128 + N when killed by signal N. Never rejects. */
  readonly exited: Promise<number>;
  /** Asks it to end. */
  signal(signal: StopSignal): void;
  /** Ends it and its process group now. */
  kill(): void;
}

export interface LifeOptions {
  /** Each is undefined when the phase is empty. `stopping` says that the instance was told to stop. */
  readonly startRc1: (() => PhaseProcess) | undefined;
  readonly startRc3: ((stopping: boolean) => PhaseProcess) | undefined;
  /** Undefined: run until told to stop. */
  readonly startProgram: (() => PhaseProcess) | undefined;
  readonly shutdownTimeoutMs: number;
  readonly onState?: (state: LifeState) => void;
  /** rc1 or rc3 failed, and not because the instance was told to stop. */
  readonly onFailure?: (phase: "rc1" | "rc3", status: number) => void;
}

const SIGNAL_NUMBER: Readonly<Record<StopSignal, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

export class InstanceLife {
  readonly #options: LifeOptions;
  readonly #stopped: Promise<void>;
  #resolveStopped: () => void = () => undefined;
  #state: LifeState = "join";
  #running: PhaseProcess | undefined;
  #stopReason: StopReason | undefined;
  #killing = false;
  #deadline: NodeJS.Timeout | undefined;

  constructor(options: LifeOptions) {
    this.#options = options;
    this.#stopped = new Promise((resolve) => (this.#resolveStopped = resolve));
  }

  get state(): LifeState {
    return this.#state;
  }

  /** Takes the instance down in order; the second time, at once. */
  stop(reason: StopReason): void {
    if (this.#stopReason !== undefined) {
      this.#killNow();
      return;
    }
    this.#stopReason = reason;
    this.#deadline = setTimeout(() => this.#killNow(), this.#options.shutdownTimeoutMs);
    if (this.#state !== "finalize") this.#running?.signal(signalOf(reason));
    this.#resolveStopped();
  }

  /** Lives from `init` to `finalize`; resolves to the exit status of the instance. */
  async run(): Promise<number> {
    const { startRc1, startRc3, startProgram } = this.#options;
    const rc1 = await this.#phase("init", startRc1);
    this.#tellFailure("rc1", rc1);
    let status = rc1 === 0 ? 0 : 1;
    if (rc1 === 0 && !this.#isStopping()) {
      this.#enter("quorum");
      if (startProgram === undefined) {
        this.#enter("run");
        await this.#stopped;
      } else {
        status = await this.#phase("run", startProgram);
      }
      this.#enter("cleanup");
    }
    status = this.#stopStatus(status);
    this.#enter("shutdown");
    const stopping = this.#isStopping();
    const rc3 = await this.#phase("finalize", startRc3 && (() => startRc3(stopping)));
    this.#tellFailure("rc3", rc3);
    if (rc3 !== 0) status = Math.max(status, 1);
    clearTimeout(this.#deadline);
    this.#enter("goodbye");
    return status;
  }

  async #phase(state: LifeState, start: (() => PhaseProcess) | undefined): Promise<number> {
    this.#enter(state);
    if (start === undefined) return 0;
    this.#running = start();
    if (this.#killing) this.#running.kill();
    const status = await this.#running.exited;
    this.#running = undefined;
    return status;
  }

  #isStopping(): boolean {
    return this.#stopReason !== undefined;
  }

  #tellFailure(phase: "rc1" | "rc3", status: number): void {
    if (status !== 0 && !this.#isStopping()) this.#options.onFailure?.(phase, status);
  }

  #stopStatus(programStatus: number): number {
    const reason = this.#stopReason;
    switch (reason?.kind) {
      case "signal":
        return Math.max(programStatus, 128 + SIGNAL_NUMBER[reason.signal]);
      case "panic":
        // Whatever the program made of being ended.
        return 1;
      case "request":
      case undefined:
        return programStatus;
    }
  }

  #killNow(): void {
    this.#killing = true;
    this.#running?.kill();
  }

  #enter(state: LifeState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }
}

function signalOf(reason: StopReason): StopSignal {
  return reason.kind === "signal" ? reason.signal : "SIGTERM";
}

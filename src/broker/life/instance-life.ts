import { startTimer, type Timer } from "../../processes/index.js";

/**
 * The life of one rank of an instance (docs/design/instance.md §1), as a state machine over phases that other code starts.
 *
 *     rank 0    join ─► init ─► quorum ─► run ─► cleanup ─► shutdown ─► finalize ─► goodbye
 *                       rc1     all in   program           others go      rc3
 *                        │        │                           ▲
 *                        └────────┴── failed, or told to stop ┘
 *
 *     others    join ─► init ─► quorum ─► run ─► cleanup ─► shutdown ─► finalize ─► goodbye
 *            rank 0's   rc1    says that   │                              rc3
 *            rc1 done   │      it is in    └─ until rank 0 is in shutdown
 *              │        │                                     ▲
 *              │        └── failed, or told to stop ──────────┘
 *              └── told to stop: nothing was begun ──────────────────────────► goodbye
 *
 * Each state accepts `stop`, which requests the end of its phase. The state machine then continues to
 * `finalize`. A second signal, or the shutdown time-out, kills the phase of every state that is still to
 * come.
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

/** A started phase: rc1, rc3, the initial program, or waiting for other ranks. */
export interface PhaseProcess {
  /** Exit status; 128 + N when killed by signal N. Never rejects. */
  readonly exited: Promise<number>;
  /** Requests the end of the phase. */
  signal(signal: NodeJS.Signals): void;
  /** Sets the time after which it cancels the modules that it removes. */
  hurry?(cancelAfterMs: number): void;
  /** Ends the phase and its process group at once. */
  kill(): void;
}

/** How long a module may take to end after the instance has received a stop (docs/design/planning.md §7). */
export const STOPPING_GRACE_MS = 1000;

export interface LifeOptions {
  /** Each is undefined when the phase is empty. `stopping` means that the instance has received a stop. */
  readonly startRc1: (() => PhaseProcess) | undefined;
  readonly startRc3: ((stopping: boolean) => PhaseProcess) | undefined;
  /**
   * Takes down the modules that rc3 has left, from the broker's own records; undefined where another process does
   * that.
   */
  readonly startTakeDown?: ((stopping: boolean) => PhaseProcess) | undefined;
  /**
   * Waits until this rank may begin. Undefined: it may begin at once. A status other than 0: the rank may not begin.
   */
  readonly startJoin?: (() => PhaseProcess) | undefined;
  /** Waits until enough ranks have joined; a status other than 0: not enough of them will join. */
  readonly startQuorum?: (() => PhaseProcess) | undefined;
  /** Waits until the ranks that must go before this one have gone. */
  readonly startShutdown?: (() => PhaseProcess) | undefined;
  /** Undefined: runs until a stop. */
  readonly startProgram: (() => PhaseProcess) | undefined;
  /** Called once, at the stop of the instance; Infinity: no limit. */
  readonly shutdownTimeoutMs: () => number;
  /**
   * A service manager requests the end by SIGTERM, and takes any status but 0 for a failure
   * (docs/design/instance.md §1).
   */
  readonly isManaged?: boolean;
  readonly onState?: (state: LifeState) => void;
  /** The stop took longer than its time-out; called before the rest is killed. */
  readonly onTimeout?: (timeoutMs: number) => void;
  /** rc1 or rc3 failed, and not because of a stop, or of a request to end at once. */
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
  #signals = 0;
  #killing = false;
  #deadline: Timer | undefined;

  constructor(options: LifeOptions) {
    this.#options = options;
    this.#stopped = new Promise((resolve) => (this.#resolveStopped = resolve));
  }

  get state(): LifeState {
    return this.#state;
  }

  /**
   * Shuts the instance down cleanly; at the second signal, at once. Others request it too, such as rank 0 or
   * the loss of the supervisor. Such a request often comes in addition to a signal, and shortens no time-out.
   */
  stop(reason: StopReason): void {
    if (this.#state === "goodbye") return;
    if (reason.kind === "signal") this.#signals++;
    if (this.#stopReason !== undefined) {
      if (reason.kind === "signal" && this.#signals > 1) this.#killNow();
      return;
    }
    this.#stopReason = reason;
    const timeoutMs = this.#options.shutdownTimeoutMs();
    this.#deadline = startTimer(timeoutMs, () => {
      this.#options.onTimeout?.(timeoutMs);
      this.#killNow();
    });
    if (this.#state === "finalize") this.#running?.hurry?.(STOPPING_GRACE_MS);
    else if (this.#state !== "shutdown") this.#running?.signal(signalOf(reason));
    this.#resolveStopped();
  }

  /**
   * Runs from `join` to `goodbye`. Resolves to the exit status of the rank, which on rank 0 is that of the instance.
   */
  async run(): Promise<number> {
    const joined = await this.#phase("join", this.#options.startJoin);
    const hasBegun = joined === 0 && (this.#options.startJoin === undefined || !this.#isStopping());
    const lived = hasBegun ? await this.#live() : joined;
    const down = hasBegun ? await this.#end() : 0;
    const ended = Math.max(this.#stopStatus(lived), down);
    this.#deadline?.cancel();
    this.#enter("goodbye");
    return ended;
  }

  /** Runs the states from `init` to `cleanup`. */
  async #live(): Promise<number> {
    const { startRc1, startQuorum, startProgram } = this.#options;
    const rc1 = await this.#phase("init", startRc1);
    if (rc1 !== 0 && !this.#isStopping()) this.#options.onFailure?.("rc1", rc1);
    if (rc1 !== 0) return 1;
    if (this.#isStopping()) return 0;
    const quorum = await this.#phase("quorum", startQuorum);
    if (quorum !== 0) return 1;
    if (this.#isStopping()) return 0;
    let status = 0;
    if (startProgram === undefined) {
      this.#enter("run");
      await this.#stopped;
    } else {
      status = await this.#phase("run", startProgram);
    }
    this.#enter("cleanup");
    return status;
  }

  /** Runs `shutdown` and `finalize`. Resolves to 1 if a part of them failed. */
  async #end(): Promise<number> {
    const { startRc3, startShutdown, startTakeDown } = this.#options;
    await this.#phase("shutdown", startShutdown);
    const stopping = this.#isStopping();
    const rc3 = await this.#phase("finalize", startRc3 && (() => startRc3(stopping)));
    if (rc3 !== 0 && !this.#killing) this.#options.onFailure?.("rc3", rc3);
    const left = await this.#phase("finalize", startTakeDown && (() => startTakeDown(this.#isStopping())));
    return rc3 === 0 && left === 0 ? 0 : 1;
  }

  async #phase(state: LifeState, start: (() => PhaseProcess) | undefined): Promise<number> {
    if (this.#state !== state || state === "join") this.#enter(state);
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

  #stopStatus(programStatus: number): number {
    const reason = this.#stopReason;
    switch (reason?.kind) {
      case "signal":
        if (this.#options.isManaged === true && reason.signal === "SIGTERM" && !this.#killing) return 0;
        // The status of a killed program has no meaning.
        return Math.max(this.#killing ? 0 : programStatus, 128 + SIGNAL_NUMBER[reason.signal]);
      case "panic":
        // The status of the program does not count.
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

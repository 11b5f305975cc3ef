import { constants } from "node:os";
import type { StopReason, StopSignal, SupervisorOrder } from "../../broker/index.js";
import { SAME_SIGNAL_MS, SignalWindow } from "../../processes/index.js";

interface StopOptions {
  readonly isManaged: boolean;
  /** Within this time after the first signal, a further one counts as the same; undefined: the default. */
  readonly sameSignalMs: number | undefined;
}

/** All outside events that end a broker, or that report the end of another one, since the start of the process. */
export class Stops {
  readonly #endedRanks: number[] = [];
  #rankListener: (rank: number) => void = () => undefined;
  #listener: (reason: StopReason) => void = () => undefined;
  readonly #reasons: StopReason[] = [];
  readonly #signalledBy = new Set<"system" | "supervisor">();
  readonly #isManaged: boolean;

  constructor(isSupervised: boolean, { isManaged, sameSignalMs }: StopOptions) {
    this.#isManaged = isManaged;
    const window = new SignalWindow(() => sameSignalMs ?? SAME_SIGNAL_MS);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] satisfies StopSignal[]) {
      process.on(signal, () => {
        if (window.isNew()) this.#signalled("system", signal);
      });
    }
    process.on("message", (order: SupervisorOrder) => {
      if (order.type === "stop") this.#signalled("supervisor", order.signal);
      if (order.type === "rank-exit") {
        this.#endedRanks.push(order.rank);
        this.#rankListener(order.rank);
      }
    });
    // No other process would end this one any more.
    const orphaned = (): void => this.#stop({ kind: "panic", message: "lost the supervisor" });
    process.on("disconnect", orphaned);
    if (isSupervised && !process.connected) orphaned();
  }

  /** The exit status if the stop arrives before the first phase. */
  get status(): number | undefined {
    const [first] = this.#reasons;
    if (first === undefined) return undefined;
    if (first.kind !== "signal") return 1;
    return this.#isManaged && first.signal === "SIGTERM" ? 0 : 128 + constants.signals[first.signal];
  }

  /** From now on the listener gets the events, including earlier ones. */
  onStop(listener: (reason: StopReason) => void): void {
    this.#listener = listener;
    for (const reason of this.#reasons) listener(reason);
  }

  /** As {@link onStop}, of the process of another rank. */
  onRankExit(listener: (rank: number) => void): void {
    this.#rankListener = listener;
    this.#endedRanks.forEach(listener);
  }

  /** One signal may arrive in both ways, because a service manager sends it to every process of a service. */
  #signalled(from: "system" | "supervisor", signal: StopSignal): void {
    const isRepeated = this.#signalledBy.has(from);
    const isNews = this.#signalledBy.size === 0;
    this.#signalledBy.add(from);
    if (isNews || isRepeated) this.#stop({ kind: "signal", signal });
  }

  #stop(reason: StopReason): void {
    this.#reasons.push(reason);
    this.#listener(reason);
  }
}

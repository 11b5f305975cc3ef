import { requestError } from "../../../errors/index.js";
import { startTimer, type Timer } from "../../../processes/index.js";
import type { OverlayReceiver } from "../../routing/overlay.js";
import type { Company } from "./company.js";
import { Heartbeat } from "../heartbeat.js";

export interface LeaderWatchOptions {
  readonly company: Company;
  /** Sends the beat of this rank. */
  readonly beat: () => void;
  /** Rank 0 has sent nothing for too long. */
  readonly lost: (cause: Error) => void;
  /** No rank 0 appeared in time. */
  readonly gaveUp: (cause: Error) => void;
}

/** Watches rank 0 for another rank, and measures how long rank 0 is missing. */
export class LeaderWatch {
  readonly #options: LeaderWatchOptions;
  #heartbeat: Heartbeat | undefined;
  /** Another broker waits to lead when rank 0 is lost. */
  #hasStandby = false;
  /** The ranks that were stalled because rank 0 was. */
  #silenced: readonly number[] = [];
  #timer: Timer | undefined;

  constructor(options: LeaderWatchOptions) {
    this.#options = options;
  }

  /** Whether another broker waits to lead when rank 0 is lost. */
  get hasStandby(): boolean {
    return this.#hasStandby;
  }

  /** @returns whether that is new */
  setStandby(hasStandby: boolean): boolean {
    const isNew = hasStandby && !this.#hasStandby;
    this.#hasStandby = hasStandby;
    return isNew;
  }

  /** A rank 0 has admitted this rank. */
  start(receiver: OverlayReceiver): void {
    const { company, beat, lost } = this.#options;
    this.#timer?.cancel();
    this.#heartbeat = new Heartbeat({
      periodMs: receiver.heartbeatPeriodMs(),
      lostAfterMs: () => receiver.lostAfterMs(),
      send: beat,
      // Without rank 0, the states of the other ranks are unknown.
      stalled: () => {
        if (this.#hasStandby) this.awaitLeader(receiver);
        this.#silenced = this.stalledWithRankZero;
        for (const rank of this.#silenced) receiver.stalled(rank);
      },
      resumed: () => {
        this.#timer?.cancel();
        const ranks = this.#silenced.filter((rank) => company.has(rank) && !company.isStalled(rank));
        for (const rank of ranks) receiver.resumed(rank);
      },
      lost: () => {
        if (!this.#hasStandby || !receiver.isToRejoin())
          lost(requestError("EHOSTUNREACH", "rank 0 has sent no heartbeat"));
      },
    });
    this.#heartbeat.add(0);
  }

  stop(): void {
    this.#heartbeat?.close();
    this.#timer?.cancel();
  }

  /** A message has come from rank 0. */
  heard(): void {
    this.#heartbeat?.heard(0);
  }

  /** Gives up if no rank 0 appears in time. */
  awaitLeader(receiver: OverlayReceiver): void {
    const timeoutMs = receiver.leaderTimeoutMs();
    this.#timer?.cancel();
    this.#timer = startTimer(timeoutMs, () =>
      this.#options.gaveUp(requestError("EHOSTUNREACH", `no rank 0 has answered for ${timeoutMs / 1000} s`)),
    );
  }

  /**
   * While rank 0 sends nothing, the states of the other ranks are unknown. This rank still sends to those that
   * another leader will find again.
   */
  get stalledWithRankZero(): readonly number[] {
    if (this.#heartbeat?.isStalled(0) !== true) return [];
    return this.#hasStandby ? [0] : this.#options.company.ranks;
  }
}

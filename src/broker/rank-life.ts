import { isErrno, messageOf } from "../errors/index.js";
import { fields, type Handle, type LogLevel } from "../messages/index.js";
import { startTimer, type Timer } from "../processes/index.js";
import type { Broker } from "./broker.js";
import type { ShutdownReason } from "./broker-options.js";
import { delayOf } from "./delay.js";
import { formatRankSet, rankSetOf } from "../units/index.js";
import type { LifeOptions, PhaseProcess, StopReason } from "./life/instance-life.js";
import type { RankStatus, Roster } from "./ranks/roster.js";
import type { RankOrder } from "./ranks/rank-orders.js";

/** The phases in which a rank waits for others. */
export type RankGates = Pick<LifeOptions, "startJoin" | "startQuorum" | "startShutdown">;

/** The parts of a broker that a leader or a follower needs. */
type RankBroker = Pick<Broker, "roster" | "orders" | "attributes" | "log" | "shutdownTimeoutMs">;

/**
 * Rank 0 begins at once. It waits for the other ranks before the initial program, and for their departure before its
 * own rc3.
 * @param tellWaiting gets the line for the log when a wait takes long
 */
export function leaderGates(
  broker: RankBroker,
  tellWaiting: (text: string) => void = () => undefined,
): RankGates {
  return {
    startQuorum: () => {
      broker.roster.online(0);
      broker.orders.give("init");
      return waitForQuorum(broker, tellWaiting);
    },
    startShutdown: () => {
      broker.orders.give("shutdown");
      return waitForDepartures(broker);
    },
  };
}

/**
 * A rank counts when it has joined and its rc1 is done. Ends early when too few ranks are left that could still come.
 */
function waitForQuorum(
  { roster, attributes, log }: RankBroker,
  tellWaiting: (text: string) => void,
): PhaseProcess {
  const needed = Number(attributes.get("broker.quorum"));
  const timeoutMs = delayOf(attributes, "broker.quorum-timeout");
  const fail = (when: string): number => {
    log.append("broker", "err", `no quorum${when}: ${missingText(roster.ranks, needed)}`);
    return 1;
  };
  const quorum = waitFor(roster, {
    outcome: () => {
      const count = (...states: RankStatus["state"][]): number =>
        roster.ranks.filter(({ state }) => states.includes(state)).length;
      if (count("online") >= needed) return 0;
      return count("online", "joining", "stalled") < needed ? fail("") : undefined;
    },
    timeoutMs,
    onTimeout: () => fail(` within ${timeoutMs / 1000} s`),
    endsOnSignal: true,
  });
  const startedMs = performance.now();
  const note = sayAgain(attributes, () => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    const text = `waiting for ranks (${seconds} s): ${missingText(roster.ranks, needed)}`;
    log.append("broker", "warning", text);
    tellWaiting(text);
  });
  void quorum.exited.then(() => note.cancel());
  return quorum;
}

/** Calls back when a wait takes long, and then once per period. */
function sayAgain(attributes: Broker["attributes"], say: () => void): Pick<Timer, "cancel"> {
  const again = (): void => {
    say();
    timer = startTimer(delayOf(attributes, "broker.waiting-every"), again, { keepsAlive: false });
  };
  let timer = startTimer(delayOf(attributes, "broker.waiting-after"), again, { keepsAlive: false });
  return { cancel: () => timer.cancel() };
}

/** The state of a wait, such as `6 of 8 ranks have joined (needed: 8); rank 3 is lost, rc1 of ranks 5-6 failed`. */
function missingText(ranks: readonly RankStatus[], needed: number): string {
  const idset = (...states: RankStatus["state"][]): string | undefined => {
    const missing = ranks.filter(({ state }) => states.includes(state)).map(({ rank }) => rank);
    return missing.length === 0 ? undefined : ranksText(missing);
  };
  const online = ranks.filter(({ state }) => state === "online").length;
  const [late, failed, lost] = [idset("joining", "stalled"), idset("failed"), idset("lost", "left")];
  const missing = [
    late && `missing: ${late}`,
    failed && `rc1 failed: ${failed}`,
    lost && `lost: ${lost}`,
  ].filter((text) => text !== undefined);
  return `${online} of ${ranks.length} ranks have joined (needed: ${needed}); ${missing.join("; ")}`;
}

function ranksText(ranks: readonly number[]): string {
  return `${ranks.length === 1 ? "rank" : "ranks"} ${formatRankSet(rankSetOf(ranks))}`;
}

/** Each rank keeps to the time-out itself. This grace is for a rank that does not. */
const DEPARTURE_GRACE_MS = 1000;

function waitForDepartures(broker: RankBroker): PhaseProcess {
  const { roster, log } = broker;
  const timeoutMs = broker.shutdownTimeoutMs() + DEPARTURE_GRACE_MS;
  return waitFor(roster, {
    outcome: () => (roster.present.size === 0 ? 0 : undefined),
    timeoutMs,
    onTimeout: () => {
      log.append(
        "broker",
        "err",
        `${ranksText([...roster.present])} did not leave within ${timeoutMs / 1000} s`,
      );
      return 1;
    },
    endsOnSignal: false,
  });
}

/** Every other rank: follows the orders of rank 0, and reports its state to it. */
export class Follower {
  readonly gates: RankGates = {
    startJoin: () => this.#waitForInit(),
    startQuorum: () => {
      this.#report("online");
      return { exited: Promise.resolve(0), signal: () => undefined, kill: () => undefined };
    },
  };
  readonly #roster: Roster;
  readonly #handle: Handle;
  readonly #log: (level: LogLevel, text: string) => void;
  /** The last report to rank 0. A new rank 0 may not have it. */
  #state: "online" | "failed" | undefined;
  #mayBegin: (status: number) => void = () => undefined;
  readonly #begun = new Promise<number>((resolve) => (this.#mayBegin = resolve));

  /** @param handle a connection to the own broker */
  constructor({ roster, log }: Pick<Broker, "roster" | "log">, handle: Handle) {
    this.#roster = roster;
    this.#handle = handle;
    this.#log = (level, text) => log.append("broker", level, text);
  }

  /** Takes the orders of rank 0 from now on, also those of a broker that replaces it. */
  follow(stop: (reason: StopReason) => void): void {
    this.#followAll(stop).catch((error: unknown) => {
      // When the broker of this rank is closed, its own code handles that.
      if (isErrno(error, "ECONNRESET") || isErrno(error, "ECANCELED")) return;
      this.#log("err", `lost the orders of rank 0: ${messageOf(error)}`);
      stop({ kind: "panic", message: messageOf(error) });
    });
  }

  /** rc1 has failed here. */
  rc1Failed(): void {
    this.#report("failed");
  }

  /** A client or signal of this rank requests the end of the whole instance. */
  async requestShutdown(reason: ShutdownReason, stop: (reason: StopReason) => void): Promise<void> {
    const [topic, payload] =
      reason.kind === "panic"
        ? ["overlay.panic", { message: reason.message }]
        : ["broker.shutdown", undefined];
    try {
      await this.#handle.rpc(topic, payload, { rank: 0 });
    } catch (error) {
      this.#log("warning", `the request to rank 0 for a shutdown failed: ${messageOf(error)}`);
      // At least this rank then shuts down.
      stop(reason);
    }
  }

  async #followAll(stop: (reason: StopReason) => void): Promise<never> {
    for (;;) {
      try {
        await this.#follow(stop);
      } catch (error) {
        // The overlay finds out whether there is a rank 0 again.
        if (!isErrno(error, "EHOSTUNREACH")) throw error;
      }
      await this.#leaderAppears();
      if (this.#state !== undefined) this.#report(this.#state);
    }
  }

  /** Resolves when rank 0 can be reached. */
  #leaderAppears(): Promise<void> {
    const isThere = (): boolean => this.#roster.present.has(0) && this.#roster.ranks[0]?.state !== "stalled";
    return new Promise((resolve) => {
      const check = (): void => {
        if (!isThere()) return;
        ignore();
        resolve();
      };
      const ignore = this.#roster.onChange(check);
      check();
    });
  }

  async #follow(stop: (reason: StopReason) => void): Promise<void> {
    for await (const payload of this.#handle.rpcStream("overlay.orders", undefined, { rank: 0 })) {
      const order = fields(payload, { order: "string" }).order as RankOrder;
      switch (order) {
        case "init":
          this.#mayBegin(0);
          break;
        case "shutdown":
          stop({ kind: "request" });
          break;
      }
    }
  }

  #waitForInit(): PhaseProcess {
    const give = (): void => this.#mayBegin(1);
    return { exited: this.#begun, signal: give, kill: give };
  }

  #report(state: "online" | "failed"): void {
    this.#state = state;
    this.#handle.rpc("overlay.report", { state }, { rank: 0 }).catch((error: unknown) => {
      this.#log("warning", `the report of the state of this rank to rank 0 failed: ${messageOf(error)}`);
    });
  }
}

/** @param handle a connection to the broker, which ends with it */
export function followInstance(broker: Pick<Broker, "roster" | "log">, handle: Handle): Follower {
  return new Follower(broker, handle);
}

interface Waiting {
  /** The status to end with, or undefined while the outcome is open. */
  readonly outcome: () => number | undefined;
  readonly timeoutMs: number;
  readonly onTimeout: () => number;
  /** Whether a signal ends it. A kill always does. */
  readonly endsOnSignal: boolean;
}

/** A phase that waits for other ranks. */
function waitFor(roster: Roster, { outcome, timeoutMs, onTimeout, endsOnSignal }: Waiting): PhaseProcess {
  let end: (status: number) => void = () => undefined;
  let isOver = false;
  const exited = new Promise<number>((resolve) => (end = resolve));
  const check = (): void => {
    const status = isOver ? undefined : outcome();
    if (status !== undefined) finish(status);
  };
  const ignore = roster.onChange(check);
  const timer = startTimer(timeoutMs, () => finish(onTimeout()));
  const finish = (status: number): void => {
    isOver = true;
    ignore();
    timer.cancel();
    end(status);
  };
  check();
  return { exited, signal: () => endsOnSignal && finish(1), kill: () => finish(1) };
}

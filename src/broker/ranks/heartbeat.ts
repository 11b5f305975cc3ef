import { systemClock } from "../clock.js";
import { startTimer, type Timer } from "../../processes/index.js";
import { Pulse } from "../pulse.js";

/** The number of missed heartbeats after which a rank is stalled. */
export const MISSED_BEATS = 3;

/** A heartbeat that is late by less than this part of a period does not count as missed. */
const GRACE = 0.25;

/** The dependencies of a heartbeat. */
export interface HeartbeatOptions {
  /** How often each rank sends a heartbeat, in milliseconds. */
  readonly periodMs: number;
  /** How long a rank may send nothing before it is lost, in milliseconds; called at each beat. */
  readonly lostAfterMs: () => number;
  /** Sends the beat of this rank. */
  readonly send: () => void;
  readonly stalled: (rank: number) => void;
  /** A stalled rank has sent a message again. */
  readonly resumed: (rank: number) => void;
  readonly lost: (rank: number) => void;
}

interface Member {
  heardAtMs: number;
  isStalled: boolean;
}

/**
 * Sends the heartbeat of this rank, and watches those of others (docs/design/instance.md §5). Every message of a rank
 * counts as a beat. After this process was stopped, or the machine slept, the times of all other ranks start again.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #members = new Map<number, Member>();
  readonly #pulse: Pulse;
  /**
   * The time at which the next rank will have missed too many beats, if that is before the next beat of this rank.
   */
  #due: Timer | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#pulse = new Pulse(systemClock, options.periodMs, (isLate) => {
      options.send();
      if (isLate) this.#forgive();
      // This rank may not yet have read the messages of the others, because timers come before input.
      else setImmediate(() => this.#check());
    });
  }

  /** Watches a rank from now on. */
  add(rank: number): void {
    this.#members.set(rank, { heardAtMs: performance.now(), isStalled: false });
  }

  delete(rank: number): void {
    this.#members.delete(rank);
  }

  /** A message has arrived from a rank. */
  heard(rank: number): void {
    const member = this.#members.get(rank);
    if (member === undefined) return;
    member.heardAtMs = performance.now();
    if (!member.isStalled) return;
    member.isStalled = false;
    this.#options.resumed(rank);
  }

  isStalled(rank: number): boolean {
    return this.#members.get(rank)?.isStalled === true;
  }

  /** How long no message has arrived from a rank, in milliseconds. */
  silentMs(rank: number): number {
    const member = this.#members.get(rank);
    return member === undefined ? 0 : performance.now() - member.heardAtMs;
  }

  /** The stalled ranks. */
  get stalled(): number[] {
    return [...this.#members].filter(([, { isStalled }]) => isStalled).map(([rank]) => rank);
  }

  close(): void {
    this.#pulse.cancel();
    this.#due?.cancel();
    this.#members.clear();
  }

  #forgive(): void {
    for (const member of this.#members.values()) member.heardAtMs = performance.now();
  }

  #check(): void {
    const { periodMs, lostAfterMs, stalled, lost } = this.#options;
    const stalledAfterMs = periodMs * (MISSED_BEATS + GRACE);
    let dueMs = Infinity;
    for (const [rank, member] of [...this.#members]) {
      const silentMs = performance.now() - member.heardAtMs;
      if (silentMs < stalledAfterMs) {
        dueMs = Math.min(dueMs, stalledAfterMs - silentMs);
        continue;
      }
      if (!member.isStalled) {
        member.isStalled = true;
        stalled(rank);
      }
      if (silentMs >= lostAfterMs()) lost(rank);
    }
    this.#checkIn(dueMs);
  }

  /** Schedules a check before the next beat of this rank, which could notice a stalled rank up to a period later. */
  #checkIn(dueMs: number): void {
    const { periodMs } = this.#options;
    this.#due?.cancel();
    if (dueMs >= periodMs) return;
    const expectedMs = performance.now() + dueMs;
    const check = (): void => {
      // After this process itself was stopped, only its next beat checks.
      if (performance.now() - expectedMs < periodMs) setImmediate(() => this.#check());
    };
    this.#due = startTimer(dueMs, check, { keepsAlive: false });
  }
}

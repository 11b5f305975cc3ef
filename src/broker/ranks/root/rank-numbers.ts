import { startTimer, type Timer } from "../../../processes/index.js";

/** How long rank 0 keeps a number for a broker after its last question. */
const RESERVED_MS = 10_000;

interface Reservation {
  readonly rank: number;
  readonly timer: Timer;
}

/**
 * The free numbers of ranks. Some may go to a broker that accepts any rank. Some belong to a broker that may
 * still run (docs/design/hosts.md §4).
 */
export class RankNumbers {
  readonly #size: number;
  /** Ranks whose modules may still run, until the time has passed. */
  readonly #held = new Map<number, Timer>();
  /** The reservations by the uuid of the broker. */
  readonly #reserved = new Map<string, Reservation>();
  /** The last host of each rank. */
  readonly #hosts = new Map<number, string>();
  readonly #onFree: (rank: number) => void;

  /** @param onFree called when a held number is free again */
  constructor(size: number, onFree: (rank: number) => void) {
    this.#size = size;
    this.#onFree = onFree;
  }

  /** A broker has taken this rank. */
  taken(rank: number, host: string, uuid: string): void {
    this.#hosts.set(rank, host);
    this.#unreserve(uuid);
  }

  /** The rank is lost, and may still run for this time, in milliseconds. */
  hold(rank: number, forMs: number): void {
    this.#held.get(rank)?.cancel();
    const free = (): void => this.release(rank);
    this.#held.set(rank, startTimer(Math.max(forMs, 0), free, { keepsAlive: false }));
  }

  isHeld(rank: number): boolean {
    return this.#held.has(rank);
  }

  /** The rank has stopped. */
  release(rank: number): void {
    const timer = this.#held.get(rank);
    if (timer === undefined) return;
    timer.cancel();
    this.#held.delete(rank);
    this.#onFree(rank);
  }

  /** No broker of this rank will come back. */
  forget(rank: number): void {
    this.#hosts.delete(rank);
    this.release(rank);
  }

  /** Whether rank 0 keeps a number for another broker. */
  isReserved(rank: number, uuid: string): boolean {
    return [...this.#reserved].some(([other, reserved]) => reserved.rank === rank && other !== uuid);
  }

  /**
   * Gives a broker a number, the same one for each request. It takes the lowest free number that its host has
   * had, otherwise the lowest free number.
   * @param isThere whether a broker has this number, or is about to get it
   * @returns undefined if no number is free
   */
  reserve(uuid: string, host: string, isThere: (rank: number) => boolean): number | undefined {
    const ranks = Array.from({ length: this.#size - 1 }, (_, at) => at + 1);
    const free = ranks.filter(
      (rank) => !isThere(rank) && !this.#held.has(rank) && !this.isReserved(rank, uuid),
    );
    const before = this.#reserved.get(uuid)?.rank;
    const rank =
      before !== undefined && free.includes(before)
        ? before
        : (free.find((one) => this.#hosts.get(one) === host) ?? free[0]);
    this.#unreserve(uuid);
    if (rank === undefined) return undefined;
    const timer = startTimer(RESERVED_MS, () => this.#reserved.delete(uuid), { keepsAlive: false });
    this.#reserved.set(uuid, { rank, timer });
    return rank;
  }

  close(): void {
    for (const timer of this.#held.values()) timer.cancel();
    for (const { timer } of this.#reserved.values()) timer.cancel();
    this.#held.clear();
    this.#reserved.clear();
  }

  #unreserve(uuid: string): void {
    this.#reserved.get(uuid)?.timer.cancel();
    this.#reserved.delete(uuid);
  }
}

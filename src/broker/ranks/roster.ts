import type { Clock } from "../clock.js";
import type { Departure } from "../routing/overlay.js";

/**
 * The state of a rank at rank 0.
 *
 *     joining, online, failed ◄─► stalled (missed its heartbeats)
 *
 *     joining ─► online ─► left (said goodbye) or lost
 *        │  ▲                     │
 *        │  └─────────────────────┘  it has come back
 *        └─► failed (rc1) ─► left or lost
 */
export type RankState = "joining" | "online" | "failed" | "stalled" | "left" | "lost";

export interface RankStatus {
  readonly rank: number;
  readonly state: RankState;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

/** The ranks of the instance and their states. */
export class Roster {
  readonly #clock: Clock;
  readonly #ranks: RankStatus[];
  /** The ranks that can be reached. */
  readonly #present = new Set<number>();
  /** The states of stalled ranks before they stalled. */
  readonly #before = new Map<number, RankState>();
  readonly #listeners = new Set<() => void>();

  constructor(size: number, clock: Clock) {
    this.#clock = clock;
    const sinceMs = clock.now();
    this.#ranks = Array.from({ length: size }, (_, rank) => ({ rank, state: "joining", sinceMs }));
  }

  /** All ranks, in order. */
  get ranks(): readonly RankStatus[] {
    return this.#ranks;
  }

  /** Number of other ranks that can be reached. */
  get present(): ReadonlySet<number> {
    return this.#present;
  }

  /** A rank can be reached from now on. */
  joined(rank: number): void {
    this.#present.add(rank);
    this.#set(rank, "joining");
  }

  /** The rc1 of a rank is done. */
  online(rank: number): void {
    this.#set(rank, "online");
  }

  /** The rc1 of a rank has failed. The rank is about to leave. */
  failed(rank: number): void {
    this.#set(rank, "failed");
  }

  /** A rank has missed its heartbeats. */
  stalled(rank: number): void {
    const state = this.#ranks[rank]?.state;
    if (state === undefined || state === "stalled") return;
    this.#before.set(rank, state);
    this.#set(rank, "stalled");
  }

  /** A stalled rank sends heartbeats again. */
  resumed(rank: number): void {
    const before = this.#before.get(rank);
    if (before === undefined) return;
    this.#before.delete(rank);
    this.#set(rank, before);
  }

  left(rank: number, how: Departure): void {
    this.#present.delete(rank);
    this.#before.delete(rank);
    // The reason for its departure is more useful than the departure alone.
    if (this.#ranks[rank]?.state === "failed") this.#tell();
    else this.#set(rank, how === "lost" ? "lost" : "left");
  }

  /** No broker of this rank will come back. */
  forgotten(rank: number): void {
    if (this.#ranks[rank]?.state === "lost") this.#set(rank, "left");
  }

  /** The process of a rank has ended. This is the only report about a rank that never joined. */
  ended(rank: number): void {
    if (!this.#present.has(rank) && this.#ranks[rank]?.state === "joining") this.#set(rank, "lost");
  }

  /**
   * Calls back after each change.
   * @returns a function that ends this
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #set(rank: number, state: RankState): void {
    if (this.#ranks[rank] === undefined) return;
    this.#ranks[rank] = { rank, state, sinceMs: this.#clock.now() };
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

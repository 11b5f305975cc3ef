import type { Placement } from "./job.js";

/** A host that runs jobs. */
export interface Host {
  readonly rank: number;
  readonly cores: number;
}

/** A job that holds cores. */
export interface Running extends Placement {
  readonly id: number;
  /** When its declared duration is over, in ms since 1970; Infinity without one. */
  readonly endsAtMs: number;
}

/** The free cores of all hosts. Placing takes the lowest cores of the lowest rank that has enough. */
export class Pool {
  readonly #hosts: ReadonlyMap<number, number>;
  readonly #free: ReadonlyMap<number, number[]>;

  constructor(hosts: readonly Host[], running: Iterable<Placement>) {
    const held = new Map<number, Set<number>>(hosts.map(({ rank }) => [rank, new Set<number>()]));
    for (const { rank, cores } of running) for (const core of cores) held.get(rank)?.add(core);
    this.#hosts = new Map(hosts.map(({ rank, cores }) => [rank, cores]));
    this.#free = new Map(
      hosts.map(({ rank, cores }) => [
        rank,
        Array.from({ length: cores }, (_, core) => core).filter((core) => held.get(rank)?.has(core) !== true),
      ]),
    );
  }

  /** Whether a host has that many cores at all. */
  isFeasible(cores: number): boolean {
    return [...this.#hosts.values()].some((all) => all >= cores);
  }

  /** Free cores by rank. */
  freeCores(): Map<number, number> {
    return new Map(Array.from(this.#free, ([rank, cores]) => [rank, cores.length]));
  }

  /** The first rank with so many free cores that is acceptable. */
  find(cores: number, accept: (rank: number) => boolean = () => true): number | undefined {
    for (const [rank, free] of this.#free) if (free.length >= cores && accept(rank)) return rank;
    return undefined;
  }

  /** Takes cores that {@link find} found. */
  take(rank: number, cores: number): Placement {
    return { rank, cores: this.#free.get(rank)?.splice(0, cores) ?? [] };
  }
}

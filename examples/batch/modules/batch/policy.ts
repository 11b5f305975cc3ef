/** The decisions of the three schedulers, as functions of what waits, what runs, and the time. */
import type { Placement } from "./job.js";
import type { Pool, Running } from "./pool.js";

/** A job that waits for cores. */
export interface Pending {
  /** Ids rise with the time of submission. */
  readonly id: number;
  readonly cores: number;
  /** Infinity if it was not declared. */
  readonly durationMs: number;
  readonly urgency: number;
}

export interface Start {
  readonly id: number;
  readonly placement: Placement;
}

/** A job that starts now. Takes its cores out of the pool. */
export interface Policy {
  /** The order of jobs. */
  readonly compare: (a: Pending, b: Pending) => number;
  readonly starts: (
    queue: readonly Pending[],
    pool: Pool,
    running: readonly Running[],
    nowMs: number,
  ) => Start[];
}

function bySubmission(a: Pending, b: Pending): number {
  return a.id - b.id;
}

function byUrgency(a: Pending, b: Pending): number {
  return b.urgency - a.urgency || bySubmission(a, b);
}

/** Strictly in the order of submission: a job that does not fit holds up all behind it. */
export const FIFO: Policy = { compare: bySubmission, starts: inOrder };

/** By urgency, then in the order of submission; a job that does not fit holds up all behind it. */
export const PRIORITY: Policy = { compare: byUrgency, starts: inOrder };

/**
 * EASY backfill: as {@link PRIORITY}, but the first job that does not fit gets a reservation, the earliest time at which
 * the declared durations of what runs let it start; later jobs may start at once where that does not delay it.
 */
export const BACKFILL: Policy = { compare: byUrgency, starts: easyBackfill };

/** Starts from the head of the queue until one does not fit. Skips a job that fits on no host. */
function inOrder(queue: readonly Pending[], pool: Pool): Start[] {
  const starts: Start[] = [];
  for (const job of queue) {
    if (!pool.isFeasible(job.cores)) continue;
    const rank = pool.find(job.cores);
    if (rank === undefined) break;
    starts.push({ id: job.id, placement: pool.take(rank, job.cores) });
  }
  return starts;
}

/** How many jobs behind the head are looked at: a queue may be longer than is worth while each time a job ends. */
const BACKFILL_DEPTH = 1000;

function easyBackfill(
  queue: readonly Pending[],
  pool: Pool,
  running: readonly Running[],
  nowMs: number,
): Start[] {
  const starts = inOrder(queue, pool);
  const begun = new Set(starts.map(({ id }) => id));
  const waiting = queue.filter((job) => !begun.has(job.id) && pool.isFeasible(job.cores));
  const [head, ...others] = waiting;
  if (head === undefined) return starts;
  const durations = new Map(queue.map((job) => [job.id, job.durationMs]));
  const all = [
    ...running,
    ...starts.map(({ id, placement }) => ({
      id,
      ...placement,
      endsAtMs: nowMs + (durations.get(id) ?? Infinity),
    })),
  ];
  const reserved = reservation(head, pool, all, nowMs);
  // Without declared durations, the only promise to the head is that no job passes it.
  if (reserved === undefined) return starts;
  let { spareCores } = reserved;
  for (const job of others.slice(0, BACKFILL_DEPTH)) {
    const isOver = nowMs + job.durationMs <= reserved.atMs;
    const rank = pool.find(
      job.cores,
      (candidate) => candidate !== reserved.rank || isOver || job.cores <= spareCores,
    );
    if (rank === undefined) continue;
    if (rank === reserved.rank && !isOver) spareCores -= job.cores;
    starts.push({ id: job.id, placement: pool.take(rank, job.cores) });
  }
  return starts;
}

interface Reservation {
  readonly rank: number;
  readonly atMs: number;
  /** Of that host, what the head leaves free at that time. */
  readonly spareCores: number;
}

/** Where and when a job can start at the latest; undefined if that depends on jobs without a declared duration. */
function reservation(
  { cores }: Pending,
  pool: Pool,
  running: readonly Running[],
  nowMs: number,
): Reservation | undefined {
  const free = pool.freeCores();
  const ends = running
    .filter(({ endsAtMs }) => endsAtMs !== Infinity)
    .sort((a, b) => a.endsAtMs - b.endsAtMs);
  for (const [i, { rank, endsAtMs, cores: released }] of ends.entries()) {
    const now = (free.get(rank) ?? 0) + released.length;
    free.set(rank, now);
    if (now < cores) continue;
    // Cores of other jobs that end at the same time on that host are free by then, too.
    const together = ends.slice(i + 1).filter((other) => other.rank === rank && other.endsAtMs === endsAtMs);
    const spareCores = now + together.reduce((sum, other) => sum + other.cores.length, 0) - cores;
    return { rank, atMs: Math.max(endsAtMs, nowMs), spareCores };
  }
  return undefined;
}

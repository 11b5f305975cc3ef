import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BACKFILL,
  FIFO,
  type Pending,
  type Policy,
  PRIORITY,
} from "../../examples/batch/modules/batch/policy.js";
import { type Host, Pool, type Running } from "../../examples/batch/modules/batch/pool.js";

const MINUTE = 60_000;
const NOW = 1_000_000;
const HOST: readonly Host[] = [{ rank: 0, cores: 2 }];

function job(id: number, cores: number, minutes = Infinity, urgency = 16): Pending {
  return { id, cores, durationMs: minutes * MINUTE, urgency };
}

function runs(id: number, rank: number, cores: readonly number[], minutes: number): Running {
  return { id, rank, cores, endsAtMs: NOW + minutes * MINUTE };
}

function startsOf(policy: Policy, queue: readonly Pending[], running: readonly Running[], hosts = HOST) {
  const sorted = [...queue].sort(policy.compare);
  return policy.starts(sorted, new Pool(hosts, running), running, NOW);
}

const idsOf = (...args: Parameters<typeof startsOf>): number[] => startsOf(...args).map(({ id }) => id);

describe("with a job of one core running, and one of two cores next", () => {
  const running = [runs(1, 0, [0], 60)];
  const queue = [job(2, 2, 1), job(3, 1, 1), job(4, 1, 120), job(5, 1, 120, 31)];

  test("fifo starts nothing: the head holds up all", () => {
    expect(idsOf(FIFO, queue, running)).toEqual([]);
  });

  test("priority starts what is more urgent than the head", () => {
    expect(idsOf(PRIORITY, queue, running)).toEqual([5]);
  });

  test("backfill starts what is over before the head could start, and nothing longer", () => {
    expect(idsOf(BACKFILL, queue.slice(0, 3), running)).toEqual([3]);
    expect(idsOf(BACKFILL, [job(2, 2, 1), job(4, 1, 120)], running)).toEqual([]);
    expect(idsOf(BACKFILL, [job(2, 2, 1), job(4, 1, 60)], running)).toEqual([4]);
  });
});

test("backfill lets nothing pass a head of which nobody can say when it will start", () => {
  expect(idsOf(BACKFILL, [job(2, 2), job(3, 1, 1)], [runs(1, 0, [0], Infinity)])).toEqual([]);
});

test("backfill gives a long job the cores that the head will leave free, and once only", () => {
  const hosts = [{ rank: 0, cores: 4 }];
  const running = [runs(1, 0, [0, 1], 10)];
  expect(idsOf(BACKFILL, [job(2, 3, 5), job(3, 1, 500), job(4, 1, 500)], running, hosts)).toEqual([3]);
});

test("backfill gives a long job a host that the head does not wait for", () => {
  const hosts = [
    { rank: 0, cores: 2 },
    { rank: 1, cores: 1 },
  ];
  expect(startsOf(BACKFILL, [job(2, 2, 5), job(3, 1, 500)], [runs(1, 0, [0], 10)], hosts)).toEqual([
    { id: 3, placement: { rank: 1, cores: [0] } },
  ]);
});

test("a job that fits on no host holds up nobody", () => {
  for (const policy of [FIFO, PRIORITY, BACKFILL])
    expect(idsOf(policy, [job(1, 3), job(2, 2)], [])).toEqual([2]);
});

test("cores of a host that runs no jobs any more are nobody's", () => {
  expect(idsOf(FIFO, [job(2, 1)], [runs(1, 7, [0, 1], 5)], [])).toEqual([]);
});

const pendings = fc
  .array(
    fc.record({
      cores: fc.integer({ min: 1, max: 5 }),
      durationMs: fc.constantFrom(1, 2, 5, 10, Infinity).map((minutes) => minutes * MINUTE),
      urgency: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 12 },
  )
  .map((jobs) => jobs.map((item, i) => ({ id: 100 + i, ...item })));
const hostLists = fc
  .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 })
  .map((sizes) => sizes.map((cores, rank) => ({ rank, cores })));
/** Durations of running jobs that take one core each, from the first host on. */
const loads = fc.array(fc.constantFrom(1, 3, 7, Infinity), { maxLength: 8 });

function occupy(hosts: readonly Host[], minutes: readonly number[]): Running[] {
  const cores = hosts.flatMap(({ rank, cores: count }) =>
    Array.from({ length: count }, (_, core) => ({ rank, core })),
  );
  return minutes.slice(0, cores.length).flatMap((length, i) => {
    const at = cores[i];
    return at === undefined ? [] : [runs(i, at.rank, [at.core], length)];
  });
}

describe("whatever waits and runs,", () => {
  test("no core has two jobs, and each job gets what it asked for, on one host", () => {
    fc.assert(
      fc.property(pendings, hostLists, loads, (queue, hosts, minutes) => {
        const running = occupy(hosts, minutes);
        for (const policy of [FIFO, PRIORITY, BACKFILL]) {
          const starts = startsOf(policy, queue, running, hosts);
          const held = [...running, ...starts.map(({ placement }) => placement)].flatMap(({ rank, cores }) =>
            cores.map((core) => `${rank}.${core}`),
          );
          expect(new Set(held).size).toBe(held.length);
          for (const { id, placement } of starts) {
            expect(placement.cores.length).toBe(queue.find((item) => item.id === id)?.cores);
            expect(Math.max(...placement.cores)).toBeLessThan(hosts[placement.rank]?.cores ?? 0);
          }
        }
      }),
    );
  });

  test("backfill starts what priority would, and what it adds does not delay the head", () => {
    fc.assert(
      fc.property(pendings, hostLists, loads, (queue, hosts, minutes) => {
        const running = occupy(hosts, minutes);
        const plain = startsOf(PRIORITY, queue, running, hosts);
        const filled = startsOf(BACKFILL, queue, running, hosts);
        expect(filled.slice(0, plain.length)).toEqual(plain);
        const head = [...queue]
          .sort(BACKFILL.compare)
          .find(
            ({ id, cores }) =>
              !plain.some((start) => start.id === id) && hosts.some((host) => host.cores >= cores),
          );
        if (head === undefined) return;
        const after = (starts: typeof plain): Running[] => [
          ...running,
          ...starts.map(({ id, placement }) => ({
            id,
            ...placement,
            endsAtMs: NOW + (queue.find((item) => item.id === id)?.durationMs ?? Infinity),
          })),
        ];
        expect(earliest(head, hosts, after(filled))).toBe(earliest(head, hosts, after(plain)));
      }),
      { numRuns: 1000 },
    );
  });
});

/** When a job can start if nothing else does, by trying each end of what runs. */
function earliest({ cores }: Pending, hosts: readonly Host[], running: readonly Running[]): number {
  const times = [NOW, ...running.map(({ endsAtMs }) => endsAtMs)].sort((a, b) => a - b);
  const fits = times.find((time) =>
    time === Infinity
      ? false
      : new Pool(
          hosts,
          running.filter(({ endsAtMs }) => endsAtMs > time),
        ).find(cores) !== undefined,
  );
  return fits ?? Infinity;
}

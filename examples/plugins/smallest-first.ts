import type { WaitingJob } from "./policy.js";

export const pluginKind = "sched-policy";

export function title(): string {
  return "the smallest job first";
}

export function select(queue: readonly WaitingJob[], free: number): number[] {
  const started: number[] = [];
  let left = free;
  for (const { id, cores } of queue.toSorted((a, b) => a.cores - b.cores || a.id - b.id)) {
    if (cores > left) break;
    left -= cores;
    started.push(id);
  }
  return started;
}

import type { Plan } from "./types.js";

/** Nodes of the plan that come after a step, directly or indirectly. */
export function reachedFrom({ dag }: Plan, step: number): Uint8Array {
  const reached = new Uint8Array(dag.nodeCount);
  const queue = [step];
  for (const node of queue) {
    for (let e = dag.offsets[node] ?? 0; e < (dag.offsets[node + 1] ?? 0); e++) {
      const next = dag.targets[e] ?? 0;
      if (reached[next] === 1) continue;
      reached[next] = 1;
      queue.push(next);
    }
  }
  return reached;
}

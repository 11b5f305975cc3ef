import { SluiceError } from "../errors/index.js";
import type { Dag, Plan } from "../graph/index.js";

/** How many predecessors each node of a DAG has. */
export function inDegrees(dag: Dag): Uint32Array {
  const degrees = new Uint32Array(dag.nodeCount);
  for (const target of dag.targets) degrees[target] = (degrees[target] ?? 0) + 1;
  return degrees;
}

/**
 * The longest remaining path of each node: its own duration and the durations of the longest chain behind it.
 * Barriers take no time. Linear, without recursion.
 * @param weights duration of each step, by its number
 * @throws SluiceError `INTERNAL` if the graph has a cycle, which the planner never makes
 */
export function remainingPaths(dag: Dag, weights: Float64Array): Float64Array {
  const remaining = new Float64Array(dag.nodeCount);
  const order = topologicalOrder(dag);
  for (let at = order.length - 1; at >= 0; at--) {
    const node = order[at] ?? 0;
    let longest = 0;
    const end = dag.offsets[node + 1] ?? 0;
    for (let edge = dag.offsets[node] ?? 0; edge < end; edge++) {
      longest = Math.max(longest, remaining[dag.targets[edge] ?? 0] ?? 0);
    }
    remaining[node] = longest + (node < dag.stepCount ? (weights[node] ?? 0) : 0);
  }
  return remaining;
}

function topologicalOrder(dag: Dag): Uint32Array {
  const degrees = inDegrees(dag);
  const order = new Uint32Array(dag.nodeCount);
  let found = 0;
  for (let node = 0; node < dag.nodeCount; node++) if (degrees[node] === 0) order[found++] = node;
  for (let at = 0; at < found; at++) {
    const node = order[at] ?? 0;
    const end = dag.offsets[node + 1] ?? 0;
    for (let edge = dag.offsets[node] ?? 0; edge < end; edge++) {
      const target = dag.targets[edge] ?? 0;
      const left = (degrees[target] ?? 0) - 1;
      degrees[target] = left;
      if (left === 0) order[found++] = target;
    }
  }
  if (found < dag.nodeCount) throw new SluiceError("INTERNAL", "the plan to run has a cycle");
  return order;
}

/**
 * The expected duration of each step: its duration in the last recorded run, else 1 (docs/design/planning.md §7).
 */
export function expectedDurations(
  plan: Plan,
  durationsMs: ReadonlyMap<string, number> | undefined,
): Float64Array {
  const weights = new Float64Array(plan.steps.length).fill(1);
  if (durationsMs === undefined) return weights;
  for (const [index, step] of plan.steps.entries()) {
    const recorded = durationsMs.get(step.unit.name);
    if (recorded !== undefined && recorded >= 0 && Number.isFinite(recorded)) weights[index] = recorded;
  }
  return weights;
}

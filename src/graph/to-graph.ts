import type * as Graphlib from "@dagrejs/graphlib";
import { directPredecessors } from "./show-deps.js";
import type { Plan, Step } from "./types.js";

/**
 * Loads the library when the first graph is asked for: planning does not need it, and the command line starts without.
 * `getBuiltinModule` rather than an import, as this folder does no I/O and is not to import what does.
 */
function loadGraphlib(): typeof Graphlib {
  const { createRequire } = process.getBuiltinModule("node:module");
  return createRequire(import.meta.url)("@dagrejs/graphlib") as typeof Graphlib;
}

/**
 * A plan as a graph value: a node for each step, by the name of its unit and labelled with the step; an edge from each
 * unit to those that directly follow it, wildcards spelled out.
 */
export function toGraph(plan: Plan): Graphlib.Graph<object, Step, undefined> {
  const { Graph } = loadGraphlib();
  const graph = new Graph<object, Step, undefined>({ directed: true });
  for (const step of plan.steps) graph.setNode(step.unit.name, step);
  const predecessors = directPredecessors(plan);
  for (const [place, { unit }] of plan.steps.entries()) {
    for (const source of predecessors.row(place)) {
      const before = plan.steps[source];
      if (before !== undefined) graph.setEdge(before.unit.name, unit.name);
    }
  }
  return graph;
}

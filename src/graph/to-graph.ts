import type * as Graphlib from "@dagrejs/graphlib";
import { directPredecessors } from "./show-deps.js";
import type { Plan, Step } from "./types.js";

/**
 * Loads the library at the first graph. The command line starts without it, because planning does not need
 * it. `getBuiltinModule` rather than an import, because this folder does no I/O and may not import modules
 * that do.
 */
function loadGraphlib(): typeof Graphlib {
  const { createRequire } = process.getBuiltinModule("node:module");
  return createRequire(import.meta.url)("@dagrejs/graphlib") as typeof Graphlib;
}

type PlanGraph = Graphlib.Graph<object, Step, undefined>;

let graphClass: (new (options: Graphlib.GraphOptions) => PlanGraph) | undefined;

/**
 * The library keeps nodes as properties of plain objects, where it also finds inherited names such as `toString`.
 * This class uses objects without inherited properties, so that every name works. Version 4 of the library offers no
 * other way.
 */
function planGraphClass(): new (options: Graphlib.GraphOptions) => PlanGraph {
  const { Graph } = loadGraphlib();
  return class extends Graph<object, Step, undefined> {
    constructor(options: Graphlib.GraphOptions) {
      super(options);
      for (const table of ["_nodes", "_in", "_preds", "_out", "_sucs"]) {
        Reflect.set(this, table, Object.create(null));
      }
    }

    override setNode(name: string, ...label: [label?: Step]): this {
      const isNew = !this.hasNode(name);
      super.setNode(name, ...label);
      if (!isNew) return this;
      for (const table of ["_preds", "_sucs"]) {
        (Reflect.get(this, table) as Record<string, object>)[name] = Object.create(null) as object;
      }
      return this;
    }
  };
}

/**
 * A plan as a graph value. It has a node for each step, by the name of its unit and labelled with the step.
 * It has an edge from each unit to the units that directly follow it, with wildcards resolved.
 */
export function toGraph(plan: Plan): PlanGraph {
  graphClass ??= planGraphClass();
  const graph = new graphClass({ directed: true });
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

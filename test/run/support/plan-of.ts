import { Graph } from "@dagrejs/graphlib";
import type { Dag, Plan, PlanRequest, Step } from "../../../src/graph/index.js";
import { makeModule, type ModuleUnit, type TaskUnit, type Unit } from "../../../src/units/index.js";

/** A step of a plan to run, as short as a test wants to write it. */
export interface StepSketch {
  readonly action?: Step["action"];
  /** Names of steps that must be out of the way first. */
  readonly after?: readonly string[];
  readonly requires?: readonly string[];
  readonly needs?: readonly string[];
  readonly provides?: readonly string[];
  readonly timeoutMs?: number;
  readonly optional?: boolean;
}

/** A wildcard: every `from` before every `to`, through one barrier node. */
export interface BarrierSketch {
  readonly from: readonly string[];
  readonly to: readonly string[];
}

interface PlanSketch {
  readonly kind?: PlanRequest["kind"];
  readonly barriers?: readonly BarrierSketch[];
}

const REQUESTS: Readonly<Record<PlanRequest["kind"], PlanRequest>> = {
  start: { kind: "start", roots: [] },
  stop: { kind: "stop", roots: [], remove: "all" },
  load: { kind: "load", modules: [] },
  remove: { kind: "remove", modules: "all", recursive: false },
};

/** A plan of the steps in the order written, which stands for the canonical order. */
export function planOf(sketches: Readonly<Record<string, StepSketch>>, options: PlanSketch = {}): Plan {
  const steps = Object.entries(sketches).map(([name, sketch], order) => stepOf(name, sketch, order));
  const units: Unit[] = steps.map((step) => step.unit);
  const providers = new Map<string, Unit[]>();
  for (const unit of units) {
    for (const service of [unit.name, ...unit.provides]) {
      providers.set(service, [...(providers.get(service) ?? []), unit]);
    }
  }
  const picks = new Map<string, Unit>();
  for (const [service, candidates] of providers) {
    const last = candidates.at(-1);
    if (last !== undefined) picks.set(service, last);
  }
  return {
    catalog: {
      units,
      byName: new Map(units.map((unit) => [unit.name, unit])),
      providers,
      alternatives: [],
      originOf: () => undefined,
    },
    facts: { rank: 0, size: 1, config: {}, attrs: {}, env: {} },
    request: REQUESTS[options.kind ?? "start"],
    steps,
    dag: dagOf(Object.entries(sketches), options.barriers ?? []),
    leftOut: new Map(),
    picks,
    warnings: [],
    explain: () => undefined,
    graph: () => new Graph<object, Step, undefined>(),
  };
}

function stepOf(name: string, sketch: StepSketch, order: number): Step {
  const common = {
    name,
    provides: sketch.provides ?? [],
    priority: 100,
    requires: sketch.requires ?? [],
    needs: sketch.needs ?? [],
    after: sketch.after ?? [],
    before: [],
    ranks: { text: "all", ranges: [] },
    needsConfig: [],
    needsAttrs: [],
    needsEnv: [],
    disabled: false,
    timeoutMs: sketch.timeoutMs,
    description: "",
    optional: sketch.optional ?? false,
    secret: false,
    groups: [],
    order,
  };
  const module: ModuleUnit = {
    ...makeModule({ name, order, settings: {} }),
    ...common,
  };
  const task: TaskUnit = { ...common, kind: "task", command: undefined, runlevels: [] };
  switch (sketch.action ?? "run") {
    case "run":
      return { action: "run", unit: task };
    case "load":
      return { action: "load", unit: module, explicit: false };
    case "remove":
      return { action: "remove", unit: module };
  }
}

function dagOf(sketches: [string, StepSketch][], barriers: readonly BarrierSketch[]): Dag {
  const numberOf = new Map(sketches.map(([name], index) => [name, index]));
  const edges: [number, number][] = [];
  const edge = (from: number | undefined, to: number | undefined): void => {
    if (from === undefined || to === undefined) throw new Error("an edge names a step that is not there");
    edges.push([from, to]);
  };
  for (const [name, { after }] of sketches) {
    for (const predecessor of after ?? []) edge(numberOf.get(predecessor), numberOf.get(name));
  }
  for (const [index, { from, to }] of barriers.entries()) {
    const barrier = sketches.length + index;
    for (const name of from) edge(numberOf.get(name), barrier);
    for (const name of to) edge(barrier, numberOf.get(name));
  }
  return adjacency(sketches.length, sketches.length + barriers.length, edges);
}

/** Packs edges, given as pairs of node numbers. */
export function adjacency(
  stepCount: number,
  nodeCount: number,
  edges: readonly (readonly [number, number])[],
): Dag {
  const offsets = new Uint32Array(nodeCount + 1);
  for (const [from] of edges) offsets[from + 1] = (offsets[from + 1] ?? 0) + 1;
  for (let node = 0; node < nodeCount; node++) {
    offsets[node + 1] = (offsets[node + 1] ?? 0) + (offsets[node] ?? 0);
  }
  const next = offsets.slice();
  const targets = new Uint32Array(edges.length);
  for (const [from, to] of edges) {
    const at = next[from] ?? 0;
    targets[at] = to;
    next[from] = at + 1;
  }
  return { stepCount, nodeCount, offsets, targets };
}

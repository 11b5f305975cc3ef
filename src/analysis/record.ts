import type { Dag, Plan, PlanRequest } from "../graph/index.js";
import { expectedDurations, type RunEventJson, type StepAction } from "../run/index.js";
import type { RunMessages } from "./unit-messages.js";

/** A step of a recorded plan. Steps refer to each other by their index in canonical order. */
export interface RecordedStep {
  readonly unit: string;
  readonly action: StepAction;
  /**
   * The expected duration in ms, from an earlier run, or 1. This duration decides which ready unit starts
   * first.
   */
  readonly expectedMs: number;
  /** Whether the request names the unit itself. */
  readonly root: boolean;
  /** The indices of the direct predecessors. An index at or above the number of steps is a barrier. */
  readonly after: readonly number[];
  /** The indices of the steps of the required units. */
  readonly requires: readonly number[];
  /** For each need, the steps that satisfy it. At least one of them must run. */
  readonly needs: readonly (readonly number[])[];
  /** Whether the unit is an ordinary program, whose messages the broker does not record. */
  readonly isProgram?: true | undefined;
}

/** The part of a plan that a recorded run keeps. */
export interface RecordedPlan {
  readonly kind: PlanRequest["kind"];
  readonly steps: readonly RecordedStep[];
  /** The predecessors of each barrier. A barrier represents the edges of a wildcard. */
  readonly barriers: readonly (readonly number[])[];
}

/** A recorded run: its plan, and its events. */
export interface RunRecord {
  /** `rc1`, `rc3`, `run`, `load` or `remove`. */
  readonly command: string;
  readonly rank: number;
  /** The version of Sluice that recorded the run. */
  readonly version: string;
  readonly plan: RecordedPlan;
  /** All events, from `plan` to `summary`. */
  readonly events: readonly RunEventJson[];
  /** The messages between the modules; undefined if unknown. */
  readonly messages?: RunMessages | undefined;
}

/** Makes the record of a plan. */
export function recordPlan(plan: Plan, durationsMs?: ReadonlyMap<string, number>): RecordedPlan {
  const { steps, dag } = plan;
  const before = predecessors(dag);
  const expected = expectedDurations(plan, durationsMs);
  const links = new Links(plan);
  const isTaken = plan.request.kind === "start" || plan.request.kind === "load";
  const roots = new Set(plan.request.kind === "start" ? plan.request.roots : []);
  return {
    kind: plan.request.kind,
    steps: steps.map(({ unit, action, ...step }, index) => ({
      unit: unit.name,
      action,
      expectedMs: expected[index] ?? 1,
      root: ("explicit" in step && step.explicit) || (action === "run" && roots.has(unit.name)),
      after: before[index] ?? [],
      requires: isTaken ? links.requires(unit.requires) : [],
      needs: isTaken ? links.needs(unit.needs) : [],
      ...(action === "load" && unit.command !== undefined && { isProgram: true as const }),
    })),
    barriers: before.slice(dag.stepCount),
  };
}

/** The DAG of a recorded plan, in the form that the runner takes. */
export function dagOf({ steps, barriers }: Pick<RecordedPlan, "steps" | "barriers">): Dag {
  const before = [...steps.map(({ after }) => after), ...barriers];
  const offsets = new Uint32Array(before.length + 1);
  for (const from of before.flat()) offsets[from + 1] = (offsets[from + 1] ?? 0) + 1;
  for (let node = 0; node < before.length; node++) {
    offsets[node + 1] = (offsets[node + 1] ?? 0) + (offsets[node] ?? 0);
  }
  const next = offsets.slice();
  const targets = new Uint32Array(offsets.at(-1) ?? 0);
  for (const [node, froms] of before.entries()) {
    for (const from of froms) {
      const at = next[from] ?? 0;
      targets[at] = node;
      next[from] = at + 1;
    }
  }
  return { stepCount: steps.length, nodeCount: before.length, offsets, targets };
}

function predecessors({ nodeCount, offsets, targets }: Dag): number[][] {
  const before = Array.from({ length: nodeCount }, (): number[] => []);
  for (let node = 0; node < nodeCount; node++) {
    const end = offsets[node + 1] ?? 0;
    for (let edge = offsets[node] ?? 0; edge < end; edge++) before[targets[edge] ?? 0]?.push(node);
  }
  return before;
}

/** Names of units and services to the steps that stand for them in one plan. */
class Links {
  readonly #plan: Plan;
  readonly #stepOf: ReadonlyMap<string, number>;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#stepOf = new Map(plan.steps.map(({ unit }, index) => [unit.name, index]));
  }

  requires(services: readonly string[]): number[] {
    return services.flatMap((service) => {
      const pick = this.#plan.picks.get(service);
      const step = pick === undefined ? undefined : this.#stepOf.get(pick.name);
      return step === undefined ? [] : [step];
    });
  }

  needs(services: readonly string[]): number[][] {
    return services.flatMap((service) => {
      const providers = this.#plan.catalog.providers.get(service) ?? [];
      const steps = providers.flatMap(({ name }) => this.#stepOf.get(name) ?? []);
      // A need without a step was already met before the run.
      return steps.length === 0 ? [] : [steps];
    });
  }
}

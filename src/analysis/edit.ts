import type { RecordedPlan, RecordedStep } from "./record.js";

/** A unit that is left out of an edited plan, and why. */
export interface Removed {
  readonly unit: string;
  readonly because:
    /** It is the unit to leave out. */
    | { readonly kind: "asked" }
    /** It needs a left-out unit. */
    | { readonly kind: "need"; readonly unit: string }
    /** Only left-out units requested this unit. */
    | { readonly kind: "unused" };
}

/** A direct relation: `unit` after another. */
export interface Edge {
  readonly unit: string;
  readonly after: string;
}

/** The plan without some of its direct relations. An order of two units through others stays. */
export function withoutEdges(plan: RecordedPlan, edges: readonly Edge[]): RecordedPlan {
  if (edges.length === 0) return plan;
  const gone = new Set(edges.map(({ unit, after }) => `${after} ${unit}`));
  return {
    ...plan,
    steps: plan.steps.map((step) => ({
      ...step,
      after: step.after.filter((before) => !gone.has(`${nameOf(plan, before)} ${step.unit}`)),
    })),
  };
}

/** A plan without some of its units. */
export interface EditedPlan {
  readonly plan: RecordedPlan;
  readonly removed: readonly Removed[];
  /** For each step of the edited plan, its number in the plan before the edit. */
  readonly was: readonly number[];
}

/**
 * The plan as it would have been without some units. It also leaves out the units that need them, and the units that
 * only those requested. An order through a left-out unit disappears, because it depends on that unit
 * (docs/design/planning.md §1).
 * @param steps numbers of the steps to leave out
 */
export function without(plan: RecordedPlan, steps: readonly number[]): EditedPlan {
  const removed = new Map<number, Removed["because"]>(steps.map((step) => [step, { kind: "asked" }]));
  removeNeeding(plan, removed);
  removeUnused(plan, removed);
  const was = [...plan.steps.keys()].filter((step) => !removed.has(step));
  return {
    plan: renumbered(plan, was),
    removed: [...removed].map(([step, because]) => ({ unit: nameOf(plan, step), because })),
    was,
  };
}

/** Counts the remaining providers of each need, so that the time is linear even for a chain of needs. */
function removeNeeding({ steps }: RecordedPlan, removed: Map<number, Removed["because"]>): void {
  const supplies = steps.map((): { readonly of: number; left: number }[] => []);
  for (const [of, { needs }] of steps.entries()) {
    for (const providers of needs) {
      const supply = { of, left: new Set(providers).size };
      for (const provider of new Set(providers)) supplies[provider]?.push(supply);
    }
  }
  const queue = [...removed.keys()];
  for (const step of queue) {
    for (const supply of supplies[step] ?? []) {
      supply.left--;
      if (supply.left > 0 || removed.has(supply.of)) continue;
      removed.set(supply.of, { kind: "need", unit: steps[step]?.unit ?? "" });
      queue.push(supply.of);
    }
  }
}

/** The steps that a root reached before the edit and no longer reaches. */
function removeUnused({ steps }: RecordedPlan, removed: Map<number, Removed["because"]>): void {
  const before = reachable(steps, () => true);
  const now = reachable(steps, (step) => !removed.has(step));
  for (const step of before) if (!now.has(step) && !removed.has(step)) removed.set(step, { kind: "unused" });
}

function reachable(steps: readonly RecordedStep[], isIn: (step: number) => boolean): Set<number> {
  const roots = [...steps.keys()].filter((step) => steps[step]?.root === true && isIn(step));
  const reached = new Set(roots);
  // The loop adds to the set that it iterates over.
  for (const step of reached) {
    for (const required of steps[step]?.requires ?? []) if (isIn(required)) reached.add(required);
  }
  return reached;
}

function renumbered({ kind, steps, barriers }: RecordedPlan, kept: readonly number[]): RecordedPlan {
  const numbers = new Map(kept.map((step, number) => [step, number]));
  for (const barrier of barriers.keys()) numbers.set(steps.length + barrier, kept.length + barrier);
  const renumber = (nodes: readonly number[]): number[] => nodes.flatMap((node) => numbers.get(node) ?? []);
  return {
    kind,
    steps: kept.flatMap((number) => {
      const step = steps[number];
      if (step === undefined) return [];
      const { after, requires, needs, ...rest } = step;
      return [
        {
          ...rest,
          after: renumber(after),
          requires: renumber(requires),
          needs: needs.map(renumber),
        },
      ];
    }),
    barriers: barriers.map(renumber),
  };
}

function nameOf({ steps }: RecordedPlan, step: number): string {
  return steps[step]?.unit ?? "";
}

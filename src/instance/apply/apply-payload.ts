import { type ApplyPlan, type RecordedModule } from "../../graph/index.js";
import type { JsonValue } from "../../messages/index.js";
import { oneByOne, type Shuffle, shuffleWeights } from "../../run/index.js";
import { loadRequest } from "../../rc/index.js";

/** The options of an apply. */
export interface ApplyMode {
  readonly rollback: boolean;
  /** How long after the last step a failure still counts as a failure of the apply. */
  readonly settleMs: number;
  /** Whether it waits at its end for the decision over all ranks. */
  readonly held: boolean;
  readonly insecure?: boolean | undefined;
  /** Whether the apply is limited to some units. */
  readonly isPartial: boolean;
  /** The order of the starts, one at a time, in place of the order of the plan. */
  readonly shuffle?: Shuffle | undefined;
}

/**
 * The payload of `module.apply-prepare`.
 * @param recorded the modules that ran when the changes were planned
 */
export function applyPayload(
  { plan, changes, order }: ApplyPlan,
  recorded: readonly RecordedModule[],
  { rollback, settleMs, held, insecure, isPartial, shuffle }: ApplyMode,
): JsonValue {
  const byName = new Set(recorded.filter((module) => module.byName).map(({ name }) => name));
  const standings = new Map(
    plan.steps.flatMap((step) => {
      if (step.action !== "load") return [];
      const { explicit, unit } = step;
      return [[unit.name, { explicit, ofStart: explicit && !byName.has(unit.name) }]];
    }),
  );
  const ups = changes.flatMap((change) => (change.action === "remove" ? [] : [change]));
  const touched = new Set(ups.map(({ unit }) => unit.name));
  const steps = ups.map(({ action, unit, keepsArgs }) => {
    const { explicit = false, ofStart = false } = standings.get(unit.name) ?? {};
    const request = loadRequest(unit, { explicit, ofStart, insecure });
    return { action, request, keepsArgs, optional: unit.optional && !explicit };
  });
  return {
    removes: changes.flatMap((change) => (change.action === "remove" ? [change.name] : [])),
    starts: steps.filter(({ action }) => action !== "change"),
    amends: steps.flatMap(({ action, request }) => (action === "change" ? [{ request }] : [])),
    order: { nodes: order.nodes, offsets: [...order.offsets], targets: [...order.targets] },
    planned: [...standings]
      .filter(([name]) => !isPartial || touched.has(name))
      .map(([name, standing]) => ({ name, ...standing })),
    ...{ rollback, settleMs, held },
    ...(shuffle === undefined ? {} : { sequence: sequenceOf(order, touched, shuffle) }),
  };
}

/** The units to start, one after the other, in an order that the plan allows. */
function sequenceOf(
  { nodes, offsets, targets }: ApplyPlan["order"],
  touched: ReadonlySet<string>,
  shuffle: Shuffle,
): string[] {
  const dag = { stepCount: nodes.length, nodeCount: nodes.length, offsets, targets };
  const names = oneByOne(dag, shuffleWeights(nodes, shuffle)).map((node) => nodes[node] ?? "");
  return names.filter((name) => touched.has(name));
}

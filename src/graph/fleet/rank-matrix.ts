import type { RankedPlan } from "./lock.js";
import { reasonText } from "../reason-text.js";
import type { Plan, Reason, Step } from "../types.js";

/** The action or reason of a unit on the ranks of one class. */
export type MatrixCell =
  | { readonly kind: "planned"; readonly action: Step["action"] }
  | { readonly kind: "left-out"; readonly reason: Reason["kind"]; readonly text: string };

/**
 * Units against classes of ranks: the ranks on which each unit is. Its width is the number of classes, for any size.
 */
export interface RankMatrix {
  /** Idsets. */
  readonly classes: readonly string[];
  /** Planned units first, in the order of the classes; a cell for each class. */
  readonly rows: readonly { readonly unit: string; readonly cells: readonly MatrixCell[] }[];
}

/** @param plans plans of the same units, one for each class */
export function rankMatrix(plans: readonly RankedPlan[]): RankMatrix {
  const columns = plans.map(({ plan }) => cellsOf(plan));
  const names = new Set<string>();
  for (const { plan } of plans) for (const { unit } of plan.steps) names.add(unit.name);
  for (const column of columns) for (const name of column.keys()) names.add(name);
  return {
    classes: plans.map(({ ranks }) => ranks.text),
    rows: Array.from(names, (unit) => ({
      unit,
      cells: columns.flatMap((column) => column.get(unit) ?? []),
    })),
  };
}

function cellsOf({ steps, leftOut }: Plan): Map<string, MatrixCell> {
  const cells = new Map<string, MatrixCell>();
  for (const { action, unit } of steps) cells.set(unit.name, { kind: "planned", action });
  for (const [unit, reason] of leftOut) {
    cells.set(unit, { kind: "left-out", reason: reason.kind, text: reasonText(reason) });
  }
  return cells;
}

import { shownArgs } from "../../units/index.js";
import type { Plan, Step } from "../types.js";

/**
 * The output of `--dry-run` (docs/design/planning.md §7): `load NAME ARGS…`, `remove NAME` and `run NAME`, in canonical
 * order.
 */
export function dryRunLines(plan: Plan): string[] {
  return plan.steps.map(dryRunLine);
}

function dryRunLine(step: Step): string {
  switch (step.action) {
    case "load":
      return ["load", step.unit.name, ...shownArgs(step.unit)].join(" ");
    case "remove":
      return `remove ${step.unit.name}`;
    case "run":
      return `run ${step.unit.name}`;
  }
}

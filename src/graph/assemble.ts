import { toGraph } from "./to-graph.js";
import type { Unit } from "../units/index.js";
import type { Explanation, Plan, Reason } from "./types.js";

/** A plan, with functions for the parts that are computed at the first read. */
export interface PlanParts extends Omit<Plan, "leftOut" | "picks" | "explain" | "graph"> {
  readonly picks: () => ReadonlyMap<string, Unit>;
  readonly leftOut: () => ReadonlyMap<string, Reason>;
  readonly explain: (name: string) => Explanation | undefined;
}

/** A plan whose picks and reasons are computed when they are read, because a run does not need them. */
export function assemblePlan({ leftOut, picks, explain, ...parts }: PlanParts): Plan {
  let reasons: ReadonlyMap<string, Reason> | undefined;
  let picked: ReadonlyMap<string, Unit> | undefined;
  const made: Plan = {
    ...parts,
    get leftOut() {
      return (reasons ??= leftOut());
    },
    get picks() {
      return (picked ??= picks());
    },
    explain,
    graph: () => toGraph(made),
  };
  return made;
}

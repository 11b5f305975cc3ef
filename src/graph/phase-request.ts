import { type Diagnostic, fail, type Result, succeed } from "../errors/index.js";
import type { Catalog, Runlevel } from "../units/index.js";
import type { PlanRequest } from "./types.js";

/** The request of the rc files of a run (docs/design/planning.md §5–6, §8). */
export interface PhaseContents {
  /** Names of their tasks. */
  readonly tasks: readonly string[];
  /** Units and services to load. */
  readonly load: readonly string[];
  readonly remove: readonly string[] | "all";
  /** Only the declarative tasks of these groups are roots; default and empty: all. */
  readonly groups?: readonly string[] | undefined;
}

/**
 * The request for rc files: a start, or a stop for rc3 and for files with removals. Their tasks are roots, as
 * are the declarative tasks of the run level.
 * @param runlevel undefined for a single file
 * @returns `RC_INVALID` if they would both load and remove, as no order between the two is defined
 */
export function phaseRequest(
  catalog: Catalog,
  { tasks, load, remove, groups = [] }: PhaseContents,
  runlevel: Runlevel | undefined,
): Result<PlanRequest> {
  const declared = runlevel === undefined ? [] : runlevelRoots(catalog, runlevel, groups);
  const roots = [...new Set([...tasks, ...declared])];
  if (runlevel !== "rc3" && remove.length === 0)
    return succeed({ kind: "start", roots: [...roots, ...load] });
  if (load.length > 0) return fail([bothWays(load)]);
  // A shutdown removes all units, even those that its files do not name (docs/design/planning.md §6).
  return succeed({ kind: "stop", roots, remove: runlevel === "rc3" ? "all" : remove });
}

/**
 * Names of the declarative tasks that are roots of a phase (docs/design/planning.md §5), in load order.
 * @param groups to which they are limited; none: all tasks
 */
export function runlevelRoots(
  catalog: Catalog,
  runlevel: Runlevel,
  groups: readonly string[] = [],
): string[] {
  return catalog.units
    .filter((unit) => unit.kind === "task" && unit.runlevels.includes(runlevel))
    .filter((unit) => groups.length === 0 || unit.groups.some((group) => groups.includes(group)))
    .map(({ name }) => name);
}

function bothWays(load: readonly string[]): Diagnostic {
  return {
    code: "RC_INVALID",
    severity: "error",
    message: `cannot both load (${load.join(", ")}) and remove modules in one run`,
    related: [],
    hint: "put the loads and the removals into separate files, and run one after the other",
  };
}

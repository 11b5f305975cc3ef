import type { Catalog, Runlevel } from "../units/index.js";

/** Names of the declarative tasks that are roots of a phase (docs/design/planning.md §5), in load order. */
export function runlevelRoots(catalog: Catalog, runlevel: Runlevel): string[] {
  return catalog.units
    .filter((unit) => unit.kind === "task" && unit.runlevels.includes(runlevel))
    .map(({ name }) => name);
}

import type { WaitedModule } from "../../waits/index.js";
import type { LoadPlans } from "./load-plans.js";
import type { ModuleEntry } from "./module-entry.js";

/** The states of the modules of a table, for the report of the units that wait for them. */
export function waitedModules(entries: ReadonlyMap<string, ModuleEntry>, plans: LoadPlans): WaitedModule[] {
  return [...entries.values()].map((entry) => ({
    uuid: entry.instance?.uuid ?? "",
    name: entry.name,
    state: stateOf(entry),
    idleSeconds: entry.instance?.silentSeconds ?? 0,
    heldUnits: entry.state.kind === "starting" ? heldUnits(entry, entries, plans) : [],
  }));
}

function stateOf({ state, instance }: ModuleEntry): string {
  if (state.kind !== "up") return state.kind;
  return instance?.shownState === "F" ? "removing" : "running";
}

/** Modules that its plan loads right after it, and that are not loaded yet. */
function heldUnits(
  { name, turn }: ModuleEntry,
  entries: ReadonlyMap<string, ModuleEntry>,
  plans: LoadPlans,
): string[] {
  return plans.those(new Set([turn])).flatMap(({ nodes, offsets, targets }) => {
    const node = nodes.indexOf(name);
    if (node < 0) return [];
    const after = [...targets.slice(offsets[node], offsets[node + 1])].map((target) => nodes[target] ?? "");
    return after.filter((unit) => unit !== "" && !entries.has(unit));
  });
}

import type { Catalog } from "../../units/index.js";
import type { Change } from "./change.js";

const FACTS: Readonly<Record<Extract<Change, { kind: "fact" }>["key"], string>> = {
  "needs-config": "configuration key",
  "needs-attrs": "attribute",
  "needs-env": "environment variable",
};

/**
 * A change as a user would make it: a line for a unit file that comes later, or an action elsewhere.
 * @param catalog the catalog before the change
 */
export function changeText(change: Change, catalog: Catalog): string {
  switch (change.kind) {
    case "enable": {
      const by = catalog.originOf(change.unit, "disabled");
      // No file can undo flags and variables, because these come after all files.
      return by === undefined || by.location !== undefined
        ? `${change.unit}.disabled = false`
        : `do not disable ${change.unit} by ${by.label}`;
    }
    case "fact":
      return `${change.set ? "set" : "unset"} ${FACTS[change.key]} ${change.name}`;
    case "load":
      return loadText(change.unit, catalog);
    case "alternative": {
      const set = catalog.alternatives.find(({ service }) => service === change.service);
      const place =
        set !== undefined && set.origin.location === undefined ? `, in place of ${set.origin.label}` : "";
      return `alternatives.${change.service} = "${change.unit}"${place}`;
    }
    case "ranks":
      return `${change.unit}.ranks = "${change.ranks}"`;
    case "rank":
      return `plan for rank ${change.rank} (--rank ${change.rank})`;
    case "drop-needs":
      return `${change.unit}."needs-" = [${change.needs.map((need) => `"${need}"`).join(", ")}]`;
    case "force":
      return `context.enable("${change.unit}") in the setup of an rc file`;
  }
}

function loadText(name: string, catalog: Catalog): string {
  const unit = catalog.byName.get(name);
  if (unit?.kind !== "task") return `load = ["${name}"] in a file of rc1.d`;
  return unit.command === undefined
    ? `run the rc file that defines ${name}`
    : `${name}."runlevels+" = ["rc1"]`;
}

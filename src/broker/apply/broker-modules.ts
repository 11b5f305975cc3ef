import type { ModuleTable } from "../modules/module-table.js";
import type { ApplyModules } from "./apply-modules.js";

/** The modules of a broker, as an apply changes them. */
export function brokerModules(table: ModuleTable): ApplyModules {
  const { known } = table;
  return {
    get isSealed() {
      return known.isSealed;
    },
    has: (name) => known.has(name),
    entry: (name) => known.entry(name),
    goneModule: (name) => known.goneModule(name),
    recall: (gone) => known.recall(gone),
    record: (order) => known.record(order),
    takeDownOrder: () => known.takeDownOrder(),
    removalTimeoutMs: (name) => known.entry(name)?.removalTimeoutMs,
    find: (request) => table.find(request),
    check: (request, going) => table.check(request, going),
    remove: (name, how) => table.remove(name, how),
    exchange: (name, request, trial) => table.exchange(name, request, trial),
    interrupt: (name) => table.interrupt(name),
    amend: (name, request) => table.amend(name, request),
  };
}

import { requestError, type SluiceError } from "../../errors/index.js";
import type { ModuleEntry } from "./module-entry.js";
import type { TakeDownOrder } from "./take-down-order.js";

/** The loaded modules and their relations. */
export interface ModulesInUse {
  readonly entries: readonly ModuleEntry[];
  /** Services that a module has registered. */
  readonly servicesOf: (entry: ModuleEntry) => readonly string[];
  /** The order of removals. */
  readonly order: TakeDownOrder;
}

/**
 * Why a removal of a module needs force: others require it, or a service that only it provides. A module that the
 * plan of both started earlier can run without it, as `content` can without its provider.
 * @returns undefined if nothing uses it; else an error with `EBUSY` that names its users
 */
export function useRefusal(entry: ModuleEntry, modules: ModulesInUse): SluiceError | undefined {
  const { entries } = modules;
  const present = entries.filter((other) => other !== entry && other.state.kind !== "removing");
  const namesOf = (one: ModuleEntry): string[] => [
    one.name,
    ...(one.request.provides ?? []),
    ...modules.servicesOf(one),
  ];
  const servedByOthers = new Set(present.flatMap(namesOf));
  const own = new Set(namesOf(entry).filter((name) => !servedByOthers.has(name)));
  const users = present.filter((other) => other.request.requires?.some((name) => own.has(name)) === true);
  if (users.length === 0) return undefined;
  const later = goneLater(modules.order, entry.name);
  const names = users
    .filter(({ name }) => !later.has(name))
    .map(({ name }) => name)
    .sort();
  if (names.length === 0) return undefined;
  return requestError("EBUSY", `${entry.name} still in use by ${names.join(", ")}; --force removes it`);
}

/** Names of the modules that go only when this module has gone. */
function goneLater({ nodes, offsets, targets }: TakeDownOrder, name: string): ReadonlySet<string> {
  const reached = new Set([nodes.indexOf(name)]);
  for (const node of reached) {
    for (let e = offsets[node] ?? 0; e < (offsets[node + 1] ?? 0); e++) reached.add(targets[e] ?? 0);
  }
  return new Set([...reached].map((node) => nodes[node] ?? ""));
}

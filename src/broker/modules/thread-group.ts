import { requestError, type SluiceError } from "../../errors/index.js";
import type { ModuleEntry } from "./module-entry.js";

/** The thread group that a module runs in; undefined if it has a thread or process of its own. */
function threadGroupOf({ instance }: ModuleEntry): string | undefined {
  return instance?.sharedThread?.name;
}

/** It waits for a restart, or is about to be removed. */
function hasEnded({ instance }: ModuleEntry): boolean {
  return instance?.state.letter === "E";
}

/**
 * Why a cancellation of a module needs force: a thread ends with all the modules in it (docs/design/modules.md §3).
 * @param all the modules of the broker
 * @returns undefined if no other module shares its thread; else an error with `EBUSY`
 */
export function groupRefusal(entry: ModuleEntry, all: Iterable<ModuleEntry>): SluiceError | undefined {
  const group = threadGroupOf(entry);
  if (group === undefined || hasEnded(entry)) return undefined;
  const others = [...all].filter(
    (other) => other !== entry && threadGroupOf(other) === group && !hasEnded(other),
  );
  if (others.length === 0) return undefined;
  const names = others.map(({ name }) => name).join(", ");
  return requestError(
    "EBUSY",
    `${entry.name}: cancelling it would end its thread group '${group}' with ${names}; use --force to end the group`,
  );
}

import type { ModuleEntry } from "./module-entry.js";
import type { ModuleFailure } from "./module-instance.js";
import type { ModuleHost } from "./module-start.js";

/** Records the failure of a module, with its cause (docs/design/modules.md §3). */
export function logFailure(host: ModuleHost, entry: ModuleEntry, failure: ModuleFailure): void {
  host.log("crit", `${entry.name} module runtime failure: ${failure.detail}`);
}

/**
 * Logs the failure of a module that had no request to end, and applies its policy.
 * @returns milliseconds until its next start, or undefined if it does not start again
 */
export function afterFailure(
  host: ModuleHost,
  entry: ModuleEntry,
  failure: ModuleFailure,
): number | undefined {
  logFailure(host, entry, failure);
  const message = `${entry.name} module runtime failure: ${failure.message}`;
  switch (entry.policy) {
    case "log":
      return undefined;
    case "panic":
      panic(host, message);
      return undefined;
    case "restart":
      return restartDelay(host, entry, message);
  }
}

/**
 * Counts a try of a module that is to be started again. When no tries are left, it carries out `then`.
 * @param message why it is
 * @returns milliseconds until then, or undefined if it does not start again
 */
export function restartDelay(host: ModuleHost, entry: ModuleEntry, message: string): number | undefined {
  const delayMs = entry.restarts.failed(host.clock.now());
  if (delayMs !== undefined) host.log("notice", `${entry.name} restarts in ${delayMs / 1000} s`);
  else if (entry.request.restart?.then === "log") host.log("err", `${message}; no more restarts`);
  else panic(host, `${message}; no more restarts`);
  return delayMs;
}

function panic(host: ModuleHost, message: string): void {
  if (!host.isPanicOff()) host.panic(message);
}

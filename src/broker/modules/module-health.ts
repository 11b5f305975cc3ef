import type { JsonValue } from "../../messages/index.js";
import type { ModuleEntry } from "./module-entry.js";

/**
 * The health of a module, as in `module.usage`. `health` is `failed` while the module waits for a restart, `silent`
 * while its answer to a ping is late, `failing` after failed attempts of its probe, and otherwise `ok`. It is absent
 * where no watchdog or probe checks the module. `probe` is the state of the probe.
 */
export function healthOf({ state, instance }: ModuleEntry): Readonly<Record<string, JsonValue>> {
  if (state.kind === "backoff") return { health: "failed" };
  if (state.kind !== "up") return {};
  const { probe, owedSeconds = 0, isPinged = false } = instance ?? {};
  const shown = probe === undefined ? {} : { probe: { failures: probe.failures, limit: probe.limit } };
  if (owedSeconds > 0) return { health: "silent", ...shown };
  if (probe !== undefined && probe.failures > 0) return { health: "failing", ...shown };
  return isPinged || probe !== undefined ? { health: "ok", ...shown } : {};
}

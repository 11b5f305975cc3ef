import type { Diagnostic } from "../../errors/index.js";
import { missingParts } from "../../loaders/index.js";
import type { Catalog } from "../../units/index.js";

/**
 * Commands, directories, users and groups of programs that this machine lacks. Warning: `LOAD_NOT_FOUND`.
 * @param env the environment in which the programs would start
 */
export async function programPartDiagnostics(
  catalog: Catalog,
  env: NodeJS.ProcessEnv,
): Promise<Diagnostic[]> {
  const found: Diagnostic[] = [];
  for (const unit of catalog.units) {
    if (unit.kind !== "module" || unit.command === undefined || unit.disabled) continue;
    for (const { key, why } of await missingParts(unit, env)) {
      const location = catalog.originOf(unit.name, key)?.location;
      const message = `${unit.name}: ${why}`;
      found.push({ code: "LOAD_NOT_FOUND", severity: "warning", message, location, related: [] });
    }
  }
  return found;
}

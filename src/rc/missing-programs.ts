import { existsSync } from "node:fs";
import { type Diagnostic, messageOf, SluiceError } from "../errors/index.js";
import { findCommand } from "../processes/index.js";
import type { Catalog, Unit } from "../units/index.js";

/**
 * Missing files of modules and commands of tasks. It does not look up a bare name of a module, because a plan for
 * another machine names modules that this one need not have. Warning: `LOAD_NOT_FOUND`.
 * @param path value of `PATH`
 */
export async function missingProgramWarnings(
  catalog: Catalog,
  path: string | undefined,
): Promise<Diagnostic[]> {
  const found: Diagnostic[] = [];
  for (const unit of catalog.units) {
    const why = unit.disabled ? undefined : await missingPart(unit, path);
    if (why === undefined) continue;
    const key = unit.kind === "module" ? "module" : "command";
    const location = catalog.originOf(unit.name, key)?.location;
    const message = `${unit.name}: ${why}`;
    found.push({ code: "LOAD_NOT_FOUND", severity: "warning", message, location, related: [] });
  }
  return found;
}

/** This ignores shell lines, because only the shell can find out which programs they run. */
async function missingPart(unit: Unit, path: string | undefined): Promise<string | undefined> {
  if (unit.kind === "module") {
    const { module: file, loader } = unit;
    // The check of libraries finds missing libraries and modules.
    const isPath = loader === undefined && file.includes("/") && !file.includes("#");
    return isPath && !existsSync(file) ? `${file}: No such file or directory` : undefined;
  }
  const { command } = unit;
  const [program] = typeof command === "string" ? [] : (command ?? []);
  if (program === undefined) return undefined;
  try {
    await findCommand(program, path);
    return undefined;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return messageOf(error);
  }
}

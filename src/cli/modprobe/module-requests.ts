import { SluiceError } from "../../errors/index.js";
import {
  createProcessLoader,
  createPythonLoader,
  createThreadLoader,
  findModule,
  LoaderRegistry,
  type StartupRequest,
  readStartupRequests,
} from "../../loaders/index.js";
import type { Catalog } from "../../units/index.js";
import { SHIPPED_MODULES } from "../version.js";

/** Loaders that run JavaScript, TypeScript or Python. How another loader runs a file is unknown. */
const LOADERS: readonly (string | undefined)[] = [undefined, "thread", "process", "exec", "python"];

/** The requests of modules before they run, for units with requirements, by unit. */
export async function requestsOfModules({ units }: Catalog): Promise<Map<string, readonly StartupRequest[]>> {
  const directories = [...(process.env["FLUX_MODULE_PATH"] ?? "").split(":"), SHIPPED_MODULES];
  const search = {
    directories: directories.filter((directory) => directory.trim() !== ""),
    registry: new LoaderRegistry([createPythonLoader(), createProcessLoader(), createThreadLoader()]),
  };
  const byModule = new Map<string, readonly StartupRequest[]>();
  const found = new Map<string, readonly StartupRequest[]>();
  for (const unit of units) {
    if (unit.kind !== "module" || unit.requires.length === 0 || !LOADERS.includes(unit.loader)) continue;
    // A library's modules are in one file. Its source does not show which start-up code belongs to which
    // module.
    if (unit.module.includes("#")) continue;
    const requests = byModule.get(unit.module) ?? (await requestsOf(unit.module, search));
    byModule.set(unit.module, requests);
    if (requests.length > 0) found.set(unit.name, requests);
  }
  return found;
}

async function requestsOf(
  module: string,
  search: Parameters<typeof findModule>[1],
): Promise<readonly StartupRequest[]> {
  try {
    return await readStartupRequests(await findModule(module, search));
  } catch (error) {
    // A plan for another machine names modules that this machine need not have.
    if (error instanceof SluiceError && error.code === "LOAD_NOT_FOUND") return [];
    throw error;
  }
}

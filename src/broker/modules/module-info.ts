import { stat } from "node:fs/promises";
import { digestOf } from "../../libraries/index.js";
import type { LoaderChoice } from "../../loaders/index.js";
import type { JsonObject } from "../configuration.js";
import { moduleFinder } from "./module-finder.js";

/** What can be told of a module without starting it (docs/design/modules.md §4). */
export interface ModuleInfo {
  /** Name of the loader that takes it. */
  readonly type: string;
  /** Under which it is loaded if no name is given. */
  readonly name: string;
  readonly path: string;
  /** Known before it runs; it may register more. */
  readonly services: readonly string[];
  /** `sha256-HEX` of the file. */
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
  /** Of modules of libraries; null for a file that is a module itself. */
  readonly api: string | null;
  readonly kind: string | null;
  readonly version: string | null;
  readonly description: string | null;
}

interface InfoOptions extends LoaderChoice {
  readonly insecure?: boolean | undefined;
  readonly config?: JsonObject | undefined;
}

/**
 * The first two steps of a load, open and verify: finds the file, chooses its loader, and reads its identity.
 * @param path a file, or a bare name
 * @param modulePath colon-separated directories for bare names
 * @param choice how it would be loaded, and the configuration, which may have further loaders
 * @throws SluiceError `LOAD_NOT_FOUND`, `UNIT_INSECURE`, `LOAD_NO_LOADER`; a system error if the file cannot be read
 */
export async function moduleInfo(
  path: string,
  modulePath: string,
  { config = {}, ...choice }: InfoOptions = {},
): Promise<ModuleInfo> {
  const found = await moduleFinder({ modulePath, config: () => config })({ path, ...choice });
  const { size } = await stat(found.path);
  return {
    ...{ type: found.loader.name, name: found.name, path: found.path, services: [found.name] },
    ...{ digest: await digestOf(found.path), size },
    ...{ api: null, kind: null, version: null, description: null },
  };
}

import { ERRNO, SluiceError } from "../errors/index.js";
import { digestOf, splitMember } from "../libraries/index.js";
import { type Limits, withinLimits } from "../messages/index.js";
import { type ModuleInfo, moduleInfo } from "./modules/module-info.js";
import type { StartedModule } from "./started-module.js";
import { startModule, type StartModuleOptions } from "./start-module.js";

/** Options for opening a module. */
export interface OpenModuleOptions extends Limits {
  /** Whether the module runs in a process rather than a thread. */
  readonly exec?: boolean | undefined;
  /** Name of a loader. Default: depends on the file. */
  readonly loader?: string | undefined;
  /** Colon-separated directories for a bare name. Default: `FLUX_MODULE_PATH`. */
  readonly modulePath?: string | undefined;
  /** Whether to open the module even if other users may write to its file (docs/design/instance.md §2). */
  readonly insecure?: boolean | undefined;
}

/** A module that does not run yet. */
export interface OpenedModule extends ModuleInfo {
  /**
   * Starts the module without an instance. Resolves when it runs. Each call starts another module, which shares no
   * state with the others.
   * @throws SluiceError the module's own error, or `LOAD_FAILED` with `EINVAL` if the file has changed
   *   since the opening. `LOAD_LIBRARY` for the reasons in `refused`. `ECANCELED` or `ETIMEDOUT` at a limit.
   *   After an error, no process and no file remains.
   */
  readonly start: (options?: StartModuleOptions) => Promise<StartedModule>;
}

/**
 * Opens a module: finds the file, chooses its loader, and reads its identity, as `sluice module info` does.
 * The code of the module does not run in this process.
 * @param path a file, or a bare name on the module path; `#NAME` after it is a module of a library
 * @throws SluiceError `LOAD_NOT_FOUND`, `UNIT_INSECURE`, `LOAD_NO_LOADER`, or `LOAD_LIBRARY` for an
 *   unreadable library. `ECANCELED` or `ETIMEDOUT` at a limit. A system error for an unreadable file.
 */
export async function openModule(path: string, options: OpenModuleOptions = {}): Promise<OpenedModule> {
  const { modulePath = process.env["FLUX_MODULE_PATH"] ?? "", signal, timeoutMs, ...choice } = options;
  const opening = moduleInfo(path, modulePath, choice);
  const info = await withinLimits(`opening of ${path}`, { signal, timeoutMs }, opening);
  const { member } = splitMember(path);
  const file = member === undefined ? info.path : `${info.path}#${member}`;
  return {
    ...info,
    start: async (how = {}) => {
      await confirmUnchanged(info);
      return startModule({ path: file, modulePath, ...choice }, { name: info.name, ...how });
    },
  };
}

async function confirmUnchanged({ path, digest }: ModuleInfo): Promise<void> {
  const now = await digestOf(path);
  if (now === digest) return;
  const text = `${path}: has changed since its opening, from digest ${digest} to ${now}; open the file again`;
  throw new SluiceError("LOAD_FAILED", text, { errnum: ERRNO.EINVAL });
}

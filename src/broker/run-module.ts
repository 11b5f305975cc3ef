import type { Limits } from "../messages/index.js";
import type { StartedModule } from "./started-module.js";
import { startModule, type StartModuleOptions } from "./start-module.js";

/** Options for running a single module. */
export interface RunModuleOptions extends StartModuleOptions {
  /** Whether the module runs in a process rather than a thread. */
  readonly exec?: boolean | undefined;
  /** Name of a loader. Default: depends on the file. */
  readonly loader?: string | undefined;
  /** Colon-separated directories for a bare name. Default: `FLUX_MODULE_PATH`. */
  readonly modulePath?: string | undefined;
  /** Whether to run the module even if other users may write to its file (docs/design/instance.md §2). */
  readonly insecure?: boolean | undefined;
}

/** A module that runs without an instance. */
export interface LoneModule extends StartedModule {
  /**
   * Removes the module as `module.remove` does, and cleans up. Only cleans up after a failed module.
   * @param limits at a limit, the module ends at once. The promise rejects after the end
   * @throws SluiceError with the module's error if the module fails while it ends; `ECANCELED` or
   *   `ETIMEDOUT` at a limit
   */
  readonly close: (limits?: Limits) => Promise<void>;
}

/**
 * Runs one module without an instance (docs/design/modules.md §4), for tests of the module or inside another
 * program. The module has the services of a broker in memory, and those that the caller registers. It
 * opens no socket.
 * @param path a file, or a bare name on the module path
 * @throws SluiceError with the errors of `module.load`: the error of the module, or `ENOENT`; `ECANCELED` or
 *   `ETIMEDOUT` at a limit
 */
export async function runModule(path: string, options: RunModuleOptions = {}): Promise<LoneModule> {
  const { exec, loader, modulePath, insecure, ...how } = options;
  const module = await startModule({ path, exec, loader, modulePath, insecure }, how);
  return {
    ...module,
    close: async (limits) => {
      try {
        await module.stop(limits);
      } finally {
        await module.unload();
      }
    },
  };
}

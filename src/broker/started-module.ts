import type { ModuleExit } from "../loaders/index.js";
import type { Handle, Limits } from "../messages/index.js";

/** A module that runs by itself. */
export interface StartedModule {
  readonly name: string;
  /** By which other threads and programs connect to it; undefined unless `socket` was asked for. */
  readonly uri: string | undefined;
  /** For requests to the module. `handle.registerService` adds services for the module's own requests. */
  readonly handle: Handle;
  /** How the module ended, on request or of its own accord. Never rejects. */
  readonly exited: Promise<ModuleExit>;
  /**
   * Asks the module to end, and resolves when it has. It may send and receive until then. The handle stays open. Does
   * nothing for a module that has ended.
   * @throws SluiceError with the module's own error if it fails while it ends. `ECANCELED` or `ETIMEDOUT` at a limit:
   *   the module goes on to end, and {@link unload} does not wait for it.
   */
  readonly stop: (limits?: Limits) => Promise<void>;
  /**
   * Ends the module at once if it still runs, closes the handle, and removes all that Sluice made for the
   * module.
   */
  readonly unload: () => Promise<void>;
}

import type { ModuleExit } from "../loaders/index.js";
import type { Handle, Limits } from "../messages/index.js";

/** A module that runs without an instance. */
export interface StartedModule {
  readonly name: string;
  /** The URI for connections of other threads and programs; undefined without the option `socket`. */
  readonly uri: string | undefined;
  /**
   * A handle for requests to the module. `handle.registerService` adds services for the module's own
   * requests.
   */
  readonly handle: Handle;
  /** How the module ended, on request or by itself. Never rejects. */
  readonly exited: Promise<ModuleExit>;
  /**
   * Requests the end of the module. Resolves when it has ended. The module may send and receive messages
   * until its end. The handle stays open. Has no effect on an ended module.
   * @throws SluiceError with the module's error if the module fails while it ends. `ECANCELED` or
   *   `ETIMEDOUT` at a limit, after which the module still ends. {@link unload} does not wait.
   */
  readonly stop: (limits?: Limits) => Promise<void>;
  /**
   * Ends the module at once if it still runs, closes the handle, and removes all files that Sluice made for
   * the module.
   */
  readonly unload: () => Promise<void>;
}

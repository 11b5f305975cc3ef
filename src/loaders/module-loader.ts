import type { Channel } from "../messages/index.js";
import type { ModuleOptions } from "./module-options.js";

/** What to start, everything a loader needs to know. */
export interface ModuleSpec extends ModuleOptions {
  readonly name: string;
  readonly uuid: string;
  /** Absolute path of the file. */
  readonly path: string;
  readonly args: readonly string[];
  /** `own`, or the name of a thread group. */
  readonly thread: string;
  /** A 0700 directory of ours for transpiled files; without one nothing is cached on disk. */
  readonly cacheDir?: string | undefined;
  /** Environment; default: that of ours. The modules of a thread group have that of the first. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The largest payload of a message (attribute `broker.max-payload`); default: that of the wire form. */
  readonly maxPayloadBytes?: number | undefined;
}

/** How the thread or process of a module ended. */
export type ModuleExit =
  | { readonly kind: "ok" }
  /** The module's own error. */
  | {
      readonly kind: "error";
      readonly message: string;
      readonly errnum?: number | undefined;
      readonly stack?: string | undefined;
    }
  /** Killed, crashed or exited on its own; `message` says which. */
  | { readonly kind: "died"; readonly message: string }
  /** By `terminate()`. */
  | { readonly kind: "terminated" };

/** A started module; whether it runs is what it reports with `module.status`. */
export interface RunningModule {
  /** The broker's end. The broker sends `welcome` on it first. */
  readonly channel: Channel;
  /** The id of its process, if it has one to itself. */
  readonly pid?: number | undefined;
  /**
   * Settles when the module has ended and been cleaned up; never rejects. Its last messages may still be on their way.
   * The channel closes after them, earlier or later than this.
   */
  readonly exited: Promise<ModuleExit>;
  /** Ends it at once, whatever it does. Resolves when it is gone. */
  terminate(): Promise<void>;
}

/** Turns a file into a running module. */
export interface ModuleLoader {
  readonly name: string;
  /** With the dot, e.g. `.mjs`. */
  readonly suffixes: readonly string[];
  /** Whether the file's first bytes are this loader's, asked when no suffix decides. */
  recognises?(head: Uint8Array): boolean;
  /**
   * The name that the file gives itself (its export `moduleName`, docs/design/modules.md §5), found without running it.
   */
  readModuleName?(path: string): Promise<string | undefined>;
  /**
   * Checks, without running it, what can be known of the file beforehand: that it compiles, that it may be executed. Asked
   * before a module that runs is stopped for it.
   * @throws SluiceError `LOAD_FAILED` with the place of a mistake; a system error if it cannot be read
   */
  check?(spec: Pick<ModuleSpec, "path" | "cacheDir" | "env">): Promise<void>;
  /**
   * Starts the module. That it fails to come up is told on its channel and by `exited`, as for any other failure.
   * @throws SluiceError `LOAD_FAILED` or a system error if it cannot even be started
   */
  start(spec: ModuleSpec): Promise<RunningModule>;
}

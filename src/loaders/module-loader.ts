import type { Blame } from "./shared-thread/thread-blame.js";
import type { Channel, LibraryHost, PluginDemand } from "../messages/index.js";
import type { ModuleOptions } from "./module-options.js";

/** A line that an ordinary program wrote, or a part of one. */
export interface OutputLine {
  readonly stream: "stdout" | "stderr";
  /** The line without its end. */
  readonly text: string;
  /** The length as it was written, including the end of the line. */
  readonly bytes: number;
  /** Number from 1 of a part of a long line; undefined for a whole line. */
  readonly part?: number | undefined;
  /** Further parts follow. */
  readonly hasMore?: boolean | undefined;
}

/** The store for the output of an ordinary program. */
export interface ProgramLog {
  line(line: OutputLine): void;
  /** Counts lost bytes of its output. */
  leftOut(stream: OutputLine["stream"], bytes: number): void;
}

/** The module of a library that is to start (docs/design/modules.md §6). */
export interface LibraryMember {
  readonly name: string;
  /** Digest of the verified file: modules of one file in one thread share its state. */
  readonly digest: string;
  /** The contract that it fulfils. When it runs, it reports the methods that it serves under this name. */
  readonly kind?: string | undefined;
}

/** The parameters for reading a library's manifest. */
export interface LibraryQuery extends Pick<ModuleSpec, "path" | "cacheDir" | "env"> {
  readonly host: LibraryHost;
  /** The modules whose `compatible` is called; undefined: all. */
  readonly names?: readonly string[] | undefined;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs: number;
  /** The version of the host. Default: that of this Node. */
  readonly nodeApiVersion?: number | undefined;
}

/** The parameters with which a loader starts a module. */
export interface ModuleSpec extends ModuleOptions {
  readonly name: string;
  readonly uuid: string;
  /** Absolute path of the file. */
  readonly path: string;
  readonly args: readonly string[];
  /** The name of a module of a library; undefined for a file that is a module itself. */
  readonly member?: LibraryMember | undefined;
  /** The required exports, if the file is a plug-in rather than a module. */
  readonly plugin?: PluginDemand | undefined;
  /** `own`, `shared` (one of the threads for several modules), or the name of a thread group. */
  readonly thread: string;
  /** Receives messages of the loader about its thread. */
  readonly log?: ((level: "warning", text: string) => void) | undefined;
  /** A private directory, mode 0700, for transpiled files. Without it the loader has no cache on disk. */
  readonly cacheDir?: string | undefined;
  /**
   * The environment. Default: that of the broker. All modules of a thread group have the environment of the
   * first module.
   */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The unit's `timeout`: how long the load may take. Default: no limit. */
  readonly timeoutMs?: number | undefined;
  /** The variables from the environment files of an ordinary program. Default: the start reads the files. */
  readonly fileVariables?: Readonly<Record<string, string>> | undefined;
  /**
   * Receives the variables from the environment files of an ordinary program, when the loader has read them.
   */
  readonly onFileVariables?: ((variables: Readonly<Record<string, string>>) => void) | undefined;
  /** Receives the output of an ordinary program. */
  readonly programLog?: ProgramLog | undefined;
  /**
   * The largest payload of a message in bytes (attribute `broker.max-payload`). Default: the limit of the
   * wire form.
   */
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
  /** A signal killed the module, or it crashed or exited by itself. `message` gives the cause. */
  | { readonly kind: "died"; readonly message: string }
  /** The broker ended the module. Some of its processes continue. */
  | { readonly kind: "stuck"; readonly message: string }
  /** By `terminate()`. */
  | { readonly kind: "terminated" };

/** A thread that several modules share. */
export interface SharedThread {
  /** For example `'yard'` for a group, or `'shared-2'`. */
  readonly name: string;
  /** The module that holds it, and the place in its code. */
  blame(): Promise<Blame>;
}

/** The results of the probe `alive` of a running program. */
export interface ProbeState {
  /** Attempts that have failed in a row. */
  readonly failures: number;
  /** This number of failures in a row fails the module. */
  readonly limit: number;
}

/** A started module. It reports with `module.status` whether it runs. */
export interface RunningModule {
  /** The end of the channel that the broker uses. The broker first sends `welcome` on it. */
  readonly channel: Channel;
  /** The id of the module's own process, if any. */
  readonly pid?: number | undefined;
  /** The results of the probe `alive`; undefined without the probe. */
  readonly probe?: ProbeState | undefined;
  /**
   * Resolves after the end of the module and its clean-up, and never rejects. The module's last messages may
   * arrive later. The channel closes after the last message, before or after this promise resolves.
   */
  readonly exited: Promise<ModuleExit>;
  /**
   * Cleanly ends a module that does not run yet and may still need a long time. Without this method the
   * broker waits for such a module.
   */
  giveUp?(): void;
  /** The thread that the module shares with others; undefined if it has its own thread or process. */
  readonly sharedThread?: SharedThread | undefined;
  /** Whether the module keeps this process alive; true at the start. */
  setRef?(isRef: boolean): void;
  /**
   * Changes options of the running module that need no new start. Without this method the loader has no such
   * options.
   */
  amend?(options: ModuleOptions): void;
  /** Ends the module at once, even if it is busy. Resolves when the module has ended. */
  terminate(): Promise<void>;
}

/** Turns a file into a running module. */
export interface ModuleLoader {
  readonly name: string;
  /** The suffixes with the dot, such as `.mjs`. */
  readonly suffixes: readonly string[];
  /** Whether this loader accepts a file with these first bytes, if no suffix matches. */
  recognises?(head: Uint8Array): boolean;
  /**
   * The name that the file exports (`moduleName`, docs/design/modules.md §5), found without running the file.
   */
  readModuleName?(path: string): Promise<string | undefined>;
  /**
   * Checks that the file compiles or is executable, without running it. The broker calls this method before
   * it replaces a running module.
   * @throws SluiceError `LOAD_FAILED` with the place of a mistake; a system error for an unreadable file
   */
  check?(spec: Omit<ModuleSpec, "uuid" | "args" | "thread">): Promise<void>;
  /**
   * The manifest of a library, read in a separate thread or process (docs/design/modules.md §6). A loader
   * without this method does not support libraries.
   * @returns undefined if the file is not a library
   * @throws SluiceError `LOAD_LIBRARY` if the read fails, exits or does not end; a system error
   */
  readLibrary?(query: LibraryQuery): Promise<unknown>;
  /**
   * Starts the module. If the module fails later, even before it runs, its channel and `exited` report the
   * failure.
   * @throws SluiceError `LOAD_FAILED` or a system error if the module cannot start
   */
  start(spec: ModuleSpec): Promise<RunningModule>;
}

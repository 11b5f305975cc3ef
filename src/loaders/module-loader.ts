import type { Blame } from "./shared-thread/thread-blame.js";
import type { Channel, LibraryHost, PluginDemand } from "../messages/index.js";
import type { ModuleOptions } from "./module-options.js";

/** A line that an ordinary program wrote, or a part of one. */
export interface OutputLine {
  readonly stream: "stdout" | "stderr";
  /** Without its end. */
  readonly text: string;
  /** As it was written, with its end. */
  readonly bytes: number;
  /** Number from 1 of the part of a line that is too long for one; undefined for a whole line. */
  readonly part?: number | undefined;
  /** Further parts follow. */
  readonly hasMore?: boolean | undefined;
}

/** What keeps the output of an ordinary program. */
export interface ProgramLog {
  line(line: OutputLine): void;
  /** So many bytes were written that could not be had. */
  leftOut(stream: OutputLine["stream"], bytes: number): void;
}

/** Which module of a library to start (docs/design/modules.md §6). */
export interface LibraryMember {
  readonly name: string;
  /** Digest of the file that was verified: modules of one file in one thread share its state. */
  readonly digest: string;
  /** The contract that it fulfils: the methods that it serves under this name are reported when it runs. */
  readonly kind?: string | undefined;
}

/** What to read a library's manifest with. */
export interface LibraryQuery extends Pick<ModuleSpec, "path" | "cacheDir" | "env"> {
  readonly host: LibraryHost;
  /** The modules to ask whether they are compatible; undefined: all. */
  readonly names?: readonly string[] | undefined;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Of the host. Default: that of this Node. */
  readonly nodeApiVersion?: number | undefined;
}

/** Everything that a loader needs to start a module. */
export interface ModuleSpec extends ModuleOptions {
  readonly name: string;
  readonly uuid: string;
  /** Absolute path of the file. */
  readonly path: string;
  readonly args: readonly string[];
  /** Undefined for a file that is a module itself. */
  readonly member?: LibraryMember | undefined;
  /** What it must export, if it is a plug-in rather than a module. */
  readonly plugin?: PluginDemand | undefined;
  /** `own`, `shared` (one of the threads that modules share), or the name of a thread group. */
  readonly thread: string;
  /** Gets what the loader has to say of its thread. */
  readonly log?: ((level: "warning", text: string) => void) | undefined;
  /** A private directory, mode 0700, for transpiled files; without it there is no cache on disk. */
  readonly cacheDir?: string | undefined;
  /** Environment; default: the broker's. All modules of a thread group have the environment of the first. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The unit's `timeout`: how long the load may take; undefined: as long as it likes. */
  readonly timeoutMs?: number | undefined;
  /** What the environment files of an ordinary program set; undefined: the start reads them. */
  readonly fileVariables?: Readonly<Record<string, string>> | undefined;
  /** Gets what the environment files of an ordinary program set, when the loader has read them. */
  readonly onFileVariables?: ((variables: Readonly<Record<string, string>>) => void) | undefined;
  /** Gets the output of an ordinary program. */
  readonly programLog?: ProgramLog | undefined;
  /** The largest payload of a message in bytes (attribute `broker.max-payload`); default: the limit of the wire form. */
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
  /**
   * The broker asked for its end, and some of its processes are still there: the system does not end them.
   */
  | { readonly kind: "stuck"; readonly message: string }
  /** By `terminate()`. */
  | { readonly kind: "terminated" };

/** A thread that modules share. */
export interface SharedThread {
  /** Such as `'yard'` of a group, or `'shared-2'`. */
  readonly name: string;
  /** Which of its modules holds it, and where in its code. */
  blame(): Promise<Blame>;
}

/** How the probe of a running program stands that asks whether it is alive. */
export interface ProbeState {
  /** Attempts that have failed in a row. */
  readonly failures: number;
  /** So many are a failure of the module. */
  readonly limit: number;
}

/** A started module. It reports with `module.status` whether it runs. */
export interface RunningModule {
  /** The broker's end. The broker sends `welcome` on it first. */
  readonly channel: Channel;
  /** The id of its process, if it has one to itself. */
  readonly pid?: number | undefined;
  /** How its probe stands; undefined while its loader asks nothing. */
  readonly probe?: ProbeState | undefined;
  /**
   * Settles after the end of the module and its clean-up; never rejects. Its last messages may still be on
   * their way. The channel closes after them, earlier or later than this.
   */
  readonly exited: Promise<ModuleExit>;
  /**
   * Ends, in order, one that does not run yet and may be long in getting there. Without it the broker waits
   * for such a module.
   */
  giveUp?(): void;
  /** The thread that it shares with others; undefined if it has a thread or process of its own. */
  readonly sharedThread?: SharedThread | undefined;
  /** Whether its thread or process keeps this process alive, as it does at first. */
  setRef?(isRef: boolean): void;
  /** Has the running module take options that need no new start. Without it there are none that its loader looks at. */
  amend?(options: ModuleOptions): void;
  /** Ends the module at once, whatever it does. Resolves when it has ended. */
  terminate(): Promise<void>;
}

/** Turns a file into a running module. */
export interface ModuleLoader {
  readonly name: string;
  /** With the dot, e.g. `.mjs`. */
  readonly suffixes: readonly string[];
  /** Whether the file's first bytes belong to this loader; used when no suffix decides. */
  recognises?(head: Uint8Array): boolean;
  /**
   * The name that the file gives itself (its export `moduleName`, docs/design/modules.md §5), found without running it.
   */
  readModuleName?(path: string): Promise<string | undefined>;
  /**
   * Checks the file without running it: that it compiles, and that it is executable. The broker calls it
   * before it stops a running module for the new one.
   * @throws SluiceError `LOAD_FAILED` with the place of a mistake; a system error if it is unreadable
   */
  check?(spec: Omit<ModuleSpec, "uuid" | "args" | "thread">): Promise<void>;
  /**
   * What a library says of itself, read where its code can harm nothing else (docs/design/modules.md §6). A loader without
   * this has no libraries.
   * @returns undefined if the file is no library
   * @throws SluiceError `LOAD_LIBRARY` if it fails, exits or does not end during the read; a system error
   */
  readLibrary?(query: LibraryQuery): Promise<unknown>;
  /**
   * Starts the module. If it fails later, even before it runs, its channel and `exited` report that.
   * @throws SluiceError `LOAD_FAILED` or a system error if it cannot even start
   */
  start(spec: ModuleSpec): Promise<RunningModule>;
}

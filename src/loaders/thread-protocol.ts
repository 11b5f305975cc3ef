import type { MessagePort } from "node:worker_threads";
import type { LibraryHost, ModuleOutcome, PluginDemand } from "../messages/index.js";
import type { PreparedCode } from "../typescript/index.js";
import type { LibraryMember } from "./module-loader.js";

/** The start data of a host, thread or process: URLs of the code that it imports only for modules that need it. */
export interface WorkerSetup {
  /** Paths of our library, by the name that modules import. */
  readonly library: Readonly<Record<string, string>>;
  readonly jiti: string;
}

/** A module's file in the form for the import by its host. */
export interface ModuleFile {
  readonly path: string;
  /** The same as a `file:` URL, made here to keep the host's start short. */
  readonly url: string;
  /** The code of the file, when the loader has made it. Absent: the host imports the file itself. */
  readonly prepared?: PreparedCode | undefined;
  readonly cacheDir?: string | undefined;
  /** Set for a module of a library. */
  readonly member?: LibraryMember | undefined;
  /** The required exports, if it is a plug-in. */
  readonly plugin?: PluginDemand | undefined;
}

/** The messages from the loader to a worker. */
export type WorkerOrder =
  | (ModuleFile & {
      readonly kind: "load";
      /** Identifies this load within the worker. */
      readonly id: number;
      /** The module's end of its channel. */
      readonly port: MessagePort;
      /** In a thread that modules share: takes the number of the module that received a message last. */
      readonly current?: Int32Array | undefined;
    })
  /** Describes the file as a library. */
  | (ModuleFile & {
      readonly kind: "describe";
      readonly host: LibraryHost;
      readonly names: readonly string[] | undefined;
    })
  /** An order to answer, to show that the thread is not blocked. */
  | { readonly kind: "beat" }
  /** No module is left. The thread is to end. */
  | { readonly kind: "exit" };

/** The start data of a thread. */
export interface ThreadSetup extends WorkerSetup {
  readonly code: {
    readonly source: string;
    /** V8's form of it, from another thread. */
    readonly compiled: Uint8Array | undefined;
    /** The loader requests it from this thread. */
    readonly isWanted: boolean;
  };
}

/** The messages from a worker to the loader: a module has ended, the thread is not blocked, or its compiled code. */
export type WorkerReport =
  | {
      readonly kind: "ended";
      readonly id: number;
      readonly outcome: ModuleOutcome;
    }
  | { readonly kind: "beat" }
  | { readonly kind: "compiled"; readonly code: Uint8Array };

/** The description of a file by a worker. */
export type DescribeReport =
  /** As JSON; undefined if the file is no library. */
  { readonly manifest: string | undefined } | { readonly error: string; readonly stack?: string | undefined };

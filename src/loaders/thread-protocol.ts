import type { MessagePort } from "node:worker_threads";
import type { ModuleOutcome } from "../messages/index.js";
import type { PreparedCode } from "../typescript/index.js";

/** What a host, thread or process, is started with: URLs of what it imports only when a module needs it. */
export interface WorkerSetup {
  /** Of our library, by what modules call it. */
  readonly library: Readonly<Record<string, string>>;
  readonly jiti: string;
}

/** A module's file, as its host imports it. */
export interface ModuleFile {
  readonly path: string;
  /** The same as a `file:` URL, made here to keep the host's start short. */
  readonly url: string;
  /** The code of the file, when the loader has made it. Absent: the host imports the file itself. */
  readonly prepared?: PreparedCode | undefined;
  readonly cacheDir?: string | undefined;
}

/** From the loader to a worker. */
export type WorkerOrder =
  | (ModuleFile & {
      readonly kind: "load";
      /** Of this load, within the worker. */
      readonly id: number;
      /** The module's end of its channel. */
      readonly port: MessagePort;
    })
  /** No module is left: end. */
  | { readonly kind: "exit" };

/** From a worker to the loader: a module has ended. */
export interface WorkerReport {
  readonly id: number;
  readonly outcome: ModuleOutcome;
}

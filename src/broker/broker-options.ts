import type { ModuleLoader } from "../loaders/index.js";
import type { ConfigTable } from "../units/index.js";
import type { Clock } from "./clock.js";
import type { JsonObject } from "./configuration.js";
import type { LogEntry } from "./log/log-ring.js";
import type { ModuleFinder } from "./modules/module-finder.js";
import type { ModuleEnd } from "./modules/module-instance.js";
import type { Overlay } from "./routing/overlay.js";

/** The options of a broker. All are optional; without any, the broker is an instance of one rank. */
export interface BrokerOptions {
  /** Default: {@link loopback}, an instance of this rank alone. The overlay gives rank and size. */
  readonly overlay?: Overlay | undefined;
  /** Whether a lost rank joins again. Otherwise the broker requests its own shutdown. Default: true. */
  readonly rejoin?: boolean | undefined;
  /** Attributes to begin with, by name. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  readonly config?: ConfigTable | undefined;
  /** Reads the configuration again, for `config.reload`. */
  readonly readConfig?: (() => Promise<ConfigTable>) | undefined;
  /** Checks a configuration of `config.load`; returns the reason against it, or undefined. */
  readonly checkConfig?: ((config: JsonObject) => string | undefined) | undefined;
  /** Colon-separated directories of modules. Default: `FLUX_MODULE_PATH` of `env`. */
  readonly modulePath?: string | undefined;
  /** Loaders besides the shipped ones. A loader with the name of a shipped one replaces it. */
  readonly loaders?: readonly ModuleLoader[] | undefined;
  /** Finds modules in place of `modulePath` and `loaders`. */
  readonly findModule?: ModuleFinder | undefined;
  /** The run directory, mode 0700, owned by the user. Default: a fresh one, removed by `close()`. */
  readonly rundir?: string | undefined;
  /** Whether to listen on a socket in the rundir. Default: true. */
  readonly socket?: boolean | undefined;
  /** A descriptor that listens at that socket already, from a service manager. */
  readonly socketFd?: number | undefined;
  /** Called when a change of the configuration begins, and when it is complete or undone. */
  readonly onReload?: ((isUnderWay: boolean) => void) | undefined;
  /** Environment of the instance, copied. Default: the environment of the process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Gets the lines of the log that `log-stderr-level` lets through. Default: none. */
  readonly onStderr?: ((entry: LogEntry) => void) | undefined;
  /** Gets every line of the log. */
  readonly onLog?: ((entry: LogEntry) => void) | undefined;
  /** Gets every line that a program writes, under the name of its module. */
  readonly onProgramLine?: ((entry: LogEntry) => void) | undefined;
  /** Called at the end of each run of a module. */
  readonly onModuleEnd?: ((end: ModuleEnd) => void) | undefined;
  /** Use modules and a rundir even if others may write to them (docs/design/instance.md §2). Default: refuse. */
  readonly insecure?: boolean | undefined;
  readonly clock?: Clock | undefined;
}

/** Why the instance is to shut down. */
export type ShutdownReason =
  /** `broker.shutdown`. */
  | { readonly kind: "request" }
  /** A module with the policy `panic` failed. The exit status is to be 1. */
  | { readonly kind: "panic"; readonly message: string };

/** How a broker ended. */
export interface CloseReport {
  /** 0, or 1 if modules were still loaded or a module with the policy `panic` had failed. */
  readonly status: 0 | 1;
  /** Modules that the shutdown did not remove. */
  readonly notShutDown: readonly string[];
}

import type { ModuleLoader } from "../loaders/index.js";
import type { ConfigTable } from "../units/index.js";
import type { Clock } from "./clock.js";
import type { JsonObject } from "./configuration.js";
import type { LogEntry } from "./log/log-ring.js";
import type { ModuleFinder } from "./modules/module-finder.js";
import type { Overlay } from "./routing/overlay.js";

/** What a broker is started with. Everything may be left out: that is an instance of one rank. */
export interface BrokerOptions {
  /** Default: {@link loopback}, an instance of this rank alone. It says rank and size. */
  readonly overlay?: Overlay | undefined;
  /** Attributes to begin with, by name. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  readonly config?: ConfigTable | undefined;
  /** Reads the configuration again, for `config.reload`. */
  readonly readConfig?: (() => Promise<ConfigTable>) | undefined;
  /** Says what is wrong with a configuration that `config.load` brings, or undefined. */
  readonly checkConfig?: ((config: JsonObject) => string | undefined) | undefined;
  /** Colon-separated directories of modules. Default: `FLUX_MODULE_PATH` of `env`. */
  readonly modulePath?: string | undefined;
  /** Loaders besides ours; one with the name of one of ours replaces it. */
  readonly loaders?: readonly ModuleLoader[] | undefined;
  /** Finds modules in a way of its own; `modulePath` and `loaders` are then not looked at. */
  readonly findModule?: ModuleFinder | undefined;
  /** Directory of ours, mode 0700. Default: a fresh one, taken away by `close()`. */
  readonly rundir?: string | undefined;
  /** Whether to listen on a socket in the rundir. Default: true. */
  readonly socket?: boolean | undefined;
  /** Environment of the instance, copied. Default: that of the process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Gets the lines of the log that `log-stderr-level` lets through. Default: none. */
  readonly onStderr?: ((entry: LogEntry) => void) | undefined;
  /** Gets every line of the log. */
  readonly onLog?: ((entry: LogEntry) => void) | undefined;
  /** Use modules and a rundir even if others may write to them (docs/design/instance.md §2). Default: refuse. */
  readonly insecure?: boolean | undefined;
  readonly clock?: Clock | undefined;
}

/** Why the instance is to go down. */
export type ShutdownReason =
  /** `broker.shutdown`. */
  | { readonly kind: "request" }
  /** A module failed whose policy is `panic`; the exit status is to be 1. */
  | { readonly kind: "panic"; readonly message: string };

/** How a broker ended. */
export interface CloseReport {
  /** 0; or 1 if modules were still loaded, or one had failed with the policy `panic`. */
  readonly status: 0 | 1;
  /** Modules that had not been removed. */
  readonly notShutDown: readonly string[];
}

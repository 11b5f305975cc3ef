import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { BrokerOptions } from "../broker/index.js";
import type { Result } from "../errors/index.js";
import type { Limits } from "../messages/index.js";
import type { RunEvent } from "../run/index.js";
import {
  type Catalog,
  checkConfiguration,
  type ConfigTable,
  isComposed,
  LayeredConfiguration,
} from "../units/index.js";
import { checkConfig } from "./check-config.js";
import { StartError } from "./start-error.js";

/**
 * The options of a broker in this process. All options are optional. Without `units` the broker starts
 * without modules.
 */
export interface InstanceOptions
  extends
    Pick<
      BrokerOptions,
      | "attributes"
      | "env"
      | "findModule"
      | "insecure"
      | "loaders"
      | "modulePath"
      | "onLog"
      | "onStderr"
      | "readConfig"
      | "rundir"
      | "socket"
    >,
    Limits {
  /**
   * The result of `composeUnits`, or the catalog in it. By default the broker starts no unit and reads no
   * file.
   */
  readonly units?: Catalog | Result<Catalog> | undefined;
  /** The configuration, which modules and conditions of units read. */
  readonly config?: ConfigTable | LayeredConfiguration | undefined;
  /** Units and services to start. Default: the units of the rc1 files, and the tasks of rc1. */
  readonly roots?: readonly string[] | undefined;
  /** Directories with `rc1.d` and `rc3.d`. Default: the value in `env` (docs/design/planning.md §8). */
  readonly searchPath?: readonly string[] | undefined;
  /** Number of units that run at a time. Default: number of cores + 4, at most 32. */
  readonly jobs?: number | undefined;
  /** After a failure, continue with units that do not depend on the failed unit. The start still fails. */
  readonly keepGoing?: boolean | undefined;
  /** Receives each event of the start and of the shutdown. */
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

/** Shipped modules, the last place where a bare module name is looked up. */
const SHIPPED_MODULES = fileURLToPath(new URL("../../dist/modules", import.meta.url));

/** The options for the broker of the only rank. */
export function rankOptions(options: InstanceOptions, config: ConfigTable): BrokerOptions {
  const { attributes, env = process.env, findModule, insecure, loaders } = options;
  const { onLog, onStderr, readConfig, rundir, socket } = options;
  const given = options.modulePath ?? env["FLUX_MODULE_PATH"];
  return {
    ...{ attributes, env, findModule, insecure, loaders, onLog, onStderr, readConfig, rundir, socket },
    ...{ config, checkConfig },
    modulePath: [given, SHIPPED_MODULES].filter(Boolean).join(":"),
  };
}

/** @throws StartError with all problems of the units; `USAGE` if they are no catalog */
export function catalogOf(units: InstanceOptions["units"]): Catalog | undefined {
  if (units === undefined || isComposed(units)) return units;
  // JavaScript may pass any value. File names are likely.
  const given = units as unknown;
  if (typeof given === "object" && given !== null && "ok" in given) {
    const result = given as Result<unknown>;
    if (!result.ok) throw StartError.of(result.diagnostics);
    if (isComposed(result.value)) return result.value;
  }
  throw new StartError("USAGE", "the option `units` takes what `await composeUnits({ searchPath })` gives");
}

/** @throws StartError with all problems of the configuration */
export function configOf(config: InstanceOptions["config"]): ConfigTable {
  const layered = config instanceof LayeredConfiguration ? config : LayeredConfiguration.of(config ?? {});
  const checked = checkConfiguration(layered);
  if (!checked.ok) throw StartError.of(checked.diagnostics);
  return layered.table;
}

/** @throws StartError `BROKER_STATE` if this code runs outside of its package */
export function requirePackage(): void {
  if (existsSync(SHIPPED_MODULES)) return;
  throw new StartError(
    "BROKER_STATE",
    `the files of sluice are not at ${SHIPPED_MODULES}: a bundler has copied its code; ` +
      "leave the package out of the bundle (esbuild: --external:sluice)",
  );
}

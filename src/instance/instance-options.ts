import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { BrokerOptions } from "../broker/index.js";
import type { Result } from "../errors/index.js";
import type { Limits } from "../messages/index.js";
import type { RunEvent } from "../run/index.js";
import { type Catalog, checkConfiguration, type ConfigTable, LayeredConfiguration } from "../units/index.js";
import { checkConfig } from "./check-config.js";
import { StartError } from "./start-error.js";

/** The options of a broker in this process. All are optional: without `units` it starts with no module. */
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
  /** The units to start from, as `composeUnits` gives them. Default: none; nothing is started and nothing is read. */
  readonly units?: Catalog | Result<Catalog> | undefined;
  /** The configuration: for modules, and for conditions of units. */
  readonly config?: ConfigTable | LayeredConfiguration | undefined;
  /** Units and services to start. Default: what rc1 starts, by its files and by the units. */
  readonly roots?: readonly string[] | undefined;
  /** Directories with `rc1.d` and `rc3.d`. Default: as `env` has it (docs/design/planning.md §8). */
  readonly searchPath?: readonly string[] | undefined;
  /** Units at a time. Default: number of cores + 4, at most 32. */
  readonly jobs?: number | undefined;
  /** After a failure, go on with units that do not depend on it. The start fails all the same. */
  readonly keepGoing?: boolean | undefined;
  /** Gets each event of the start and of the shutdown. */
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

/** Shipped modules, the last place where a bare module name is looked up. */
const SHIPPED_MODULES = fileURLToPath(new URL("../../dist/modules", import.meta.url));

/** What the broker of the one rank gets. */
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

/** @throws StartError with all that is wrong with the units */
export function catalogOf(units: InstanceOptions["units"]): Catalog | undefined {
  if (units === undefined || !("ok" in units)) return units;
  if (!units.ok) throw StartError.of(units.diagnostics);
  return units.value;
}

/** @throws StartError with all that is wrong with the configuration */
export function configOf(config: InstanceOptions["config"]): ConfigTable {
  const layered = config instanceof LayeredConfiguration ? config : LayeredConfiguration.of(config ?? {});
  const checked = checkConfiguration(layered);
  if (!checked.ok) throw StartError.of(checked.diagnostics);
  return layered.table;
}

/** @throws StartError `BROKER_STATE` if this code was copied out of its package */
export function requirePackage(): void {
  if (existsSync(SHIPPED_MODULES)) return;
  throw new StartError(
    "BROKER_STATE",
    `the files of sluice are not at ${SHIPPED_MODULES}: a bundler has copied its code; ` +
      "leave the package out of the bundle (esbuild: --external:sluice)",
  );
}

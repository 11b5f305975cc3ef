import { resolve } from "node:path";
import { isConfigTable } from "./config-value.js";
import type { ConfigTable, ConfigValue } from "../types.js";

/**
 * Makes the paths that a configuration file gives its loaders and kinds absolute. They count from the file's
 * directory, not from the broker's. A program without a slash is in a directory of `PATH`, and does not change.
 * @param directory of the file; undefined for a table that is in no file, whose paths count from the working
 *   directory
 */
export function resolveConfigPaths(table: ConfigTable, directory: string | undefined): ConfigTable {
  if (directory === undefined) return table;
  const { loaders, kinds } = table;
  return {
    ...table,
    ...(isConfigTable(loaders) && { loaders: eachIn(loaders, (loader) => loaderIn(loader, directory)) }),
    ...(isConfigTable(kinds) && { kinds: eachIn(kinds, (kind) => kindIn(kind, directory)) }),
  };
}

type Resolve = (value: ConfigValue | undefined) => ConfigValue | undefined;

function eachIn(table: ConfigTable, resolveOne: Resolve): ConfigTable {
  const resolved = Object.entries(table).map(([name, value]) => [name, resolveOne(value)]);
  return Object.fromEntries(resolved) as ConfigTable;
}

function kindIn(kind: ConfigValue | undefined, directory: string): ConfigValue | undefined {
  if (!isConfigTable(kind)) return kind;
  const { contract } = kind;
  return typeof contract === "string" ? { ...kind, contract: resolve(directory, contract) } : kind;
}

/** The check of the configuration refuses any other shape. */
function loaderIn(loader: ConfigValue | undefined, directory: string): ConfigValue | undefined {
  if (!isConfigTable(loader)) return loader;
  const { plugin, command } = loader;
  const resolved: Record<string, ConfigValue> = { ...loader };
  if (typeof plugin === "string") resolved["plugin"] = resolve(directory, plugin);
  if (Array.isArray(command)) {
    const [program, ...args] = command as readonly ConfigValue[];
    if (typeof program === "string" && program.includes("/")) {
      resolved["command"] = [resolve(directory, program), ...args];
    }
  }
  return resolved;
}

import { resolve } from "node:path";
import { isConfigTable } from "./config-value.js";
import type { ConfigTable, ConfigValue } from "../types.js";

/**
 * Makes the paths that a configuration file gives its loaders absolute: they count from the file's directory, whatever
 * the directory of the broker is. The program of a command without a slash is looked up on `PATH`, and stays as it is.
 * @param directory of the file; undefined for what is in none, and counts from the working directory
 */
export function resolveLoaderPaths(table: ConfigTable, directory: string | undefined): ConfigTable {
  const { loaders } = table;
  if (directory === undefined || !isConfigTable(loaders)) return table;
  const resolved = Object.entries(loaders).map(([name, loader]) => [name, resolveIn(loader, directory)]);
  return { ...table, loaders: Object.fromEntries(resolved) as ConfigTable };
}

/** Whatever has another shape is for the check of the configuration to refuse. */
function resolveIn(loader: ConfigValue | undefined, directory: string): ConfigValue | undefined {
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

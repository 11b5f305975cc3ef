import { findEntry, type ModuleMain, pluginFunctions, pluginMain } from "../messages/index.js";
import { importModule } from "./import-module.js";
import type { ModuleFile, WorkerSetup } from "./thread-protocol.js";

/** Imports a file, and returns the part of it that is to run: a module, one of a library, or a plug-in. */
export async function entryOf(file: ModuleFile, setup: WorkerSetup): Promise<ModuleMain> {
  const { path, member, plugin } = file;
  const exports = await importModule(file, setup);
  return plugin === undefined
    ? findEntry(exports, path, member?.name)
    : pluginMain(pluginFunctions(exports, path, plugin));
}

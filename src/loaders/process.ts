import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { WIRE_LIMITS } from "../messages/index.js";
import { Transpiler } from "../typescript/index.js";
import { refuseAddon } from "./native/addon.js";
import { isAddon } from "./native/is-addon.js";
import { startChild } from "./child-module.js";
import { readAddonLibrary } from "./library-addon.js";
import { readScriptLibrary } from "./library-thread.js";
import { checkModuleFile, hostSetup, moduleFile, SCRIPT_SUFFIXES } from "./module-file.js";
import { readExportedName } from "./module-name.js";
import { NODE_COMMAND, parentDeathPrefix } from "../processes/index.js";
import { isWasi, type ProcessSetup } from "./process-protocol.js";
import type { LibraryQuery, ModuleLoader, ModuleSpec, RunningModule } from "./module-loader.js";

const MIB = 1024 * 1024;

/** Node-API addons, whose crash must not end the broker, and WASI programs (docs/design/modules.md §4). */
const NATIVE_SUFFIXES = [".node", ".wasm"];

/** Node's warning that WASI is experimental does not belong in the log. */
const QUIET = "--disable-warning=ExperimentalWarning";

// This form is valid both in dist/loaders and in the bundled command line next to it.
const PROCESS_MAIN = new URL("../loaders/process-main.cjs", import.meta.url);

/**
 * The loader of the same modules as the thread loader, each in its own Node process
 * (docs/design/modules.md §4). It also loads Node-API addons, and WASI programs, which use the wire form
 * themselves. Unlike a thread, a process that fails harms no other module, and can always be removed.
 */
export function createProcessLoader(): ModuleLoader {
  return new ProcessLoader();
}

class ProcessLoader implements ModuleLoader {
  readonly name = "process";
  readonly suffixes = [...SCRIPT_SUFFIXES, ...NATIVE_SUFFIXES];
  readonly #transpiler = new Transpiler();
  #prefix: Promise<readonly string[]> | undefined;

  async readModuleName(path: string): Promise<string | undefined> {
    return isAddon(path) || isWasi(path) ? undefined : readExportedName(path);
  }

  async check(spec: Pick<ModuleSpec, "path" | "cacheDir">): Promise<void> {
    if (isAddon(spec.path)) await refuseAddon(spec.path);
    else if (isWasi(spec.path)) await access(spec.path, constants.R_OK);
    else await checkModuleFile(spec, this.#transpiler);
  }

  async readLibrary(query: LibraryQuery): Promise<unknown> {
    if (isWasi(query.path)) return undefined;
    const read = isAddon(query.path) ? readAddonLibrary : readScriptLibrary;
    return read(query, this.#transpiler);
  }

  async start(spec: ModuleSpec): Promise<RunningModule> {
    const [prefix, file] = await Promise.all([
      (this.#prefix ??= parentDeathPrefix()),
      moduleFile(spec, this.#transpiler),
    ]);
    const { memoryLimitBytes, maxPayloadBytes = WIRE_LIMITS.payloadBytes } = spec;
    const setup: ProcessSetup = { file, setup: hostSetup(), maxPayloadBytes };
    const limits = memoryLimitBytes === undefined ? [] : [`--max-old-space-size=${inMib(memoryLimitBytes)}`];
    return startChild({
      spec,
      // The path is for people who read the list of processes.
      command: [
        ...prefix,
        ...NODE_COMMAND,
        ...(isWasi(spec.path) ? [QUIET] : []),
        ...limits,
        fileURLToPath(PROCESS_MAIN),
        spec.path,
      ],
      input: JSON.stringify(setup),
      remark: (signal) => memoryRemark(signal, memoryLimitBytes),
    });
  }
}

function inMib(bytes: number): number {
  return Math.max(1, Math.floor(bytes / MIB));
}

/** Node aborts when its heap is full, and reports this only on standard error. */
function memoryRemark(signal: NodeJS.Signals, limitBytes: number | undefined): string | undefined {
  if (signal !== "SIGABRT" || limitBytes === undefined) return undefined;
  return `most likely out of memory, its memory-limit is ${inMib(limitBytes)} MiB`;
}

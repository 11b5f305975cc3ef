import {
  configuredLoaders,
  createProcessLoader,
  createProgramLoader,
  createPythonLoader,
  createThreadLoader,
  findModule,
  LoaderRegistry,
  type ModuleLoader,
  moduleNameOf,
} from "../executors/index.js";
import type { JsonObject } from "./configuration.js";

/** What somebody asked to load. */
export interface FindRequest {
  /** A path, or a bare name to look up on the module path. */
  readonly path: string;
  /** What it is to be called; undefined = as the file says. */
  readonly name?: string | undefined;
  /** Run it in a process. */
  readonly exec?: boolean | undefined;
  /** Name of the loader; undefined = by the file. */
  readonly loader?: string | undefined;
}

/** A module file and who can run it. */
export interface FoundModule {
  /** Absolute. */
  readonly path: string;
  readonly name: string;
  readonly loader: ModuleLoader;
}

/**
 * Finds a module's file and its loader.
 * @throws SluiceError `LOAD_NOT_FOUND` (`ENOENT`), `LOAD_NO_LOADER` (`EINVAL`) or as the loader has it
 */
export type ModuleFinder = (request: FindRequest) => Promise<FoundModule>;

interface FinderOptions {
  /** Colon-separated. */
  readonly modulePath?: string | undefined;
  readonly loaders?: readonly ModuleLoader[] | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** The configuration as it stands, asked at each load. Default: none. */
  readonly config?: (() => JsonObject) | undefined;
}

/**
 * Looks on the module path of the options, and runs what it finds with our loaders, theirs, and those of the
 * configuration; the later of these win.
 */
export function moduleFinder({
  modulePath,
  loaders = [],
  env = process.env,
  config = () => ({}),
}: FinderOptions): ModuleFinder {
  const fixed = [
    createProgramLoader(),
    createPythonLoader(),
    createProcessLoader(),
    createThreadLoader(),
    ...loaders,
  ];
  const registryOf = registryCache(fixed);
  const path = modulePath ?? env["FLUX_MODULE_PATH"] ?? "";
  const directories = path.split(":").filter((directory) => directory.trim() !== "");
  return async (request) => {
    const registry = registryOf(config());
    const file = await findModule(request.path, { directories, registry });
    const loader = await registry.choose(file, request);
    return { path: file, name: request.name ?? (await moduleNameOf(file, loader)), loader };
  };
}

/** Loaders of the configuration are made anew only when it has changed, as each keeps what it has found out. */
function registryCache(fixed: readonly ModuleLoader[]): (config: JsonObject) => LoaderRegistry {
  let last: { readonly config: JsonObject; readonly registry: LoaderRegistry } | undefined;
  return (config) => {
    if (last?.config !== config) {
      last = { config, registry: new LoaderRegistry([...fixed, ...configuredLoaders(config["loaders"])]) };
    }
    return last.registry;
  };
}

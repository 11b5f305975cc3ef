import { realpath, stat } from "node:fs/promises";
import {
  configuredLoaders,
  createProgramSupervisor,
  createProcessLoader,
  createProgramLoader,
  createPythonLoader,
  createThreadLoader,
  findModule,
  LoaderRegistry,
  type ModuleLoader,
  moduleNameOf,
} from "../../loaders/index.js";
import { commandText } from "../../errors/index.js";
import { digestOf, splitMember } from "../../libraries/index.js";
import { createFileGuard, type FileGuard, INSECURE, refuseInsecure } from "../../units/index.js";
import type { JsonObject } from "../configuration.js";

/** The module that a load names. */
export interface FindRequest {
  /** A path, or a bare name to look up on the module path; `#NAME` after it is a module of a library. */
  readonly path: string;
  /** The name of the module; undefined: the name in the file. */
  readonly name?: string | undefined;
  /** Run it in a process. */
  readonly exec?: boolean | undefined;
  /** Name of the loader; undefined = by the file. */
  readonly loader?: string | undefined;
  /** Take it even if others may write to its file. */
  readonly insecure?: boolean | undefined;
  /** An ordinary program instead of a file. */
  readonly command?: string | readonly string[] | undefined;
}

/** A module file and its loader. */
export interface FoundModule {
  /** Absolute. */
  readonly path: string;
  /** Which module of a library; undefined: the file is a module itself. */
  readonly member?: string | undefined;
  readonly name: string;
  readonly loader: ModuleLoader;
  /**
   * Called before each further start of it, because the file may have another owner then.
   * @throws SluiceError as finding it
   */
  readonly verify?: () => void;
}

/** The content of a file. */
export interface FileContent {
  /** `sha256-HEX`. */
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
}

/** @returns undefined if the file cannot be read */
export async function contentOf(path: string): Promise<FileContent | undefined> {
  try {
    const [digest, { size }] = await Promise.all([digestOf(path), stat(path)]);
    return { digest, size };
  } catch {
    return undefined;
  }
}

/**
 * Finds a module's file and its loader.
 * @throws SluiceError `LOAD_NOT_FOUND` (`ENOENT`), `UNIT_INSECURE` (`EPERM`), `LOAD_NO_LOADER` (`EINVAL`) or the
 *   error of the loader
 */
export type ModuleFinder = (request: FindRequest) => Promise<FoundModule>;

interface FinderOptions {
  /** Colon-separated. */
  readonly modulePath?: string | undefined;
  readonly loaders?: readonly ModuleLoader[] | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Returns the present configuration; called at each load. Default: none. */
  readonly config?: (() => JsonObject) | undefined;
  /** Take every file, whatever its permissions. */
  readonly insecure?: boolean | undefined;
}

/**
 * Looks on the module path of the options. It runs the files that it finds with our loaders, theirs, and those of the
 * configuration. The later of these win.
 */
export function moduleFinder({
  modulePath,
  loaders = [],
  env = process.env,
  config = () => ({}),
  insecure: takesAll = false,
}: FinderOptions): ModuleFinder {
  const programs = createProgramSupervisor();
  const fixed = [
    programs,
    createProgramLoader(),
    createPythonLoader(),
    createProcessLoader(),
    createThreadLoader(),
    ...loaders,
  ];
  const registryOf = registryCache(fixed, (plugin) =>
    refuseInsecure(takesAll ? INSECURE : createFileGuard(), plugin),
  );
  const path = modulePath ?? env["FLUX_MODULE_PATH"] ?? "";
  const directories = path.split(":").filter((directory) => directory.trim() !== "");
  return async (request) => {
    // Each start looks up its command again, as a shell does.
    if (request.command !== undefined) {
      const name = request.name ?? request.path;
      return { path: commandText(request.command), name, loader: programs };
    }
    const registry = registryOf(config());
    const asked = splitMember(request.path);
    const file = await findModule(asked.file, { directories, registry });
    const isLax = takesAll || request.insecure === true;
    const verify = (): void => verifyFiles(isLax ? INSECURE : createFileGuard(), file, request);
    verify();
    // The current target of a link runs, even if the link changes later.
    const path = await realpath(file);
    const loader = await registry.choose(file, request);
    const name = request.name ?? asked.member ?? (await moduleNameOf(file, loader));
    return { path, member: asked.member, name, loader, verify };
  };
}

/** The check includes a loader that is given by path, because its code runs too. */
function verifyFiles(guard: FileGuard, file: string, { loader }: FindRequest): void {
  refuseInsecure(guard, file);
  if (loader?.includes("/") === true) refuseInsecure(guard, loader);
}

/**
 * Makes the loaders of the configuration again only when the configuration has changed, because each loader keeps its
 * findings.
 */
function registryCache(
  fixed: readonly ModuleLoader[],
  verifyPlugin: (path: string) => void,
): (config: JsonObject) => LoaderRegistry {
  let last: { readonly config: JsonObject; readonly registry: LoaderRegistry } | undefined;
  return (config) => {
    if (last?.config !== config) {
      const configured = configuredLoaders(config["loaders"], verifyPlugin);
      last = { config, registry: new LoaderRegistry([...fixed, ...configured]) };
    }
    return last.registry;
  };
}

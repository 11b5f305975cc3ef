import { readFile, stat } from "node:fs/promises";
import { ERRNO, SluiceError } from "../../errors/index.js";
import {
  digestOf,
  failureText,
  kindsOf,
  LIBRARY_TIMEOUT_MS,
  libraryHost,
  looksLikeLibrary,
  moduleOf,
  openLibrary,
  type OpenedLibrary,
  verifyAlone,
} from "../../libraries/index.js";
import type { LoaderChoice } from "../../loaders/index.js";
import type { LibraryHost } from "../../messages/index.js";
import type { JsonObject } from "../configuration.js";
import { packageVersion } from "../package-version.js";
import { type FoundModule, moduleFinder } from "./module-finder.js";

/** One module of a library, in the form of {@link ModuleInfo}. */
export interface LibraryModuleInfo {
  readonly name: string;
  readonly kind: string | null;
  readonly kindVersion: string | null;
  readonly version: string | null;
  readonly description: string | null;
  /** Why this host would refuse it, even if the user picks nothing else. */
  readonly refused: readonly string[];
}

/** The description of a module that does not run (docs/design/modules.md §4). */
export interface ModuleInfo {
  /** Name of the module's loader. */
  readonly type: string;
  /** The name of the module if the load does not set another. */
  readonly name: string;
  readonly path: string;
  /** The services of the module before it runs. It may register more. */
  readonly services: readonly string[];
  /** `sha256-HEX` of the file. */
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
  /** Version of the API of a library or its module; null for a file that is a module itself. */
  readonly api: string | null;
  readonly kind: string | null;
  readonly version: string | null;
  readonly description: string | null;
  /** Why this host would always refuse a module of a library. */
  readonly refused?: readonly string[];
  /** The modules of a library. */
  readonly modules?: readonly LibraryModuleInfo[];
}

interface InfoOptions extends LoaderChoice {
  readonly insecure?: boolean | undefined;
  readonly config?: JsonObject | undefined;
  /** How long the reading of a library may take, in milliseconds. Default: 10 s. */
  readonly timeoutMs?: number | undefined;
}

/**
 * The first two steps of a load, open and verify. Finds the file, chooses its loader, and reads its identity. For a
 * library it reads the modules inside.
 * @param path a file, or a bare name; with `#NAME`, one module of a library
 * @param modulePath colon-separated directories for bare names
 * @param choice the options of the load, and the configuration, which may have further loaders and kinds
 * @throws SluiceError `LOAD_NOT_FOUND`, `UNIT_INSECURE`, `LOAD_NO_LOADER`, `LOAD_LIBRARY` for a library that cannot be
 *   read; a system error if the file cannot be read
 */
export async function moduleInfo(
  path: string,
  modulePath: string,
  options: InfoOptions = {},
): Promise<ModuleInfo> {
  const { config = {}, timeoutMs = LIBRARY_TIMEOUT_MS, ...choice } = options;
  const found = await moduleFinder({ modulePath, config: () => config })({ path, ...choice });
  const { size } = await stat(found.path);
  const common = {
    ...{ type: found.loader.name, name: found.name, path: found.path, services: [found.name] },
    ...{ digest: await digestOf(found.path), size },
  };
  const { member } = found;
  if (member === undefined && !looksLikeLibrary(await readFile(found.path))) return { ...common, ...NOTHING };
  const library = await openFound(found, config, timeoutMs);
  if (library.kind === "none" && member === undefined) return { ...common, ...NOTHING };
  if (library.kind !== "opened") throw libraryRefusal(problemsOf(library));
  const { manifest } = library;
  const { api } = manifest;
  const check = { host: hostOf(config), loader: found.loader.name };
  const inside = (name: string): LibraryModuleInfo => describe(name, library, check);
  if (member === undefined) {
    return { ...common, ...NOTHING, api, modules: Object.keys(manifest.modules).map(inside) };
  }
  if (moduleOf(manifest, member) === undefined) {
    throw libraryRefusal(verifyAlone(library, member, check).map(failureText));
  }
  const { kind, version, description, refused } = inside(member);
  const services = [...common.services, ...(kind === null ? [] : [kind])];
  return { ...common, services, ...{ api, kind, version, description, refused } };
}

const NOTHING = { api: null, kind: null, version: null, description: null };

function hostOf(config: JsonObject): LibraryHost {
  return libraryHost(packageVersion(), kindsOf(config["kinds"]));
}

function openFound(found: FoundModule, config: JsonObject, timeoutMs: number): Promise<OpenedLibrary> {
  return openLibrary(found.loader, { path: found.path, host: hostOf(config), timeoutMs });
}

function describe(
  name: string,
  library: Extract<OpenedLibrary, { kind: "opened" }>,
  check: Parameters<typeof verifyAlone>[2],
): LibraryModuleInfo {
  const { kind, kindVersion, version, description } = moduleOf(library.manifest, name) ?? {};
  return {
    name,
    ...{ kind: kind ?? null, kindVersion: kindVersion ?? null },
    ...{ version: version ?? null, description: description ?? null },
    refused: verifyAlone(library, name, check).map(({ message }) => message),
  };
}

function problemsOf(library: OpenedLibrary): string[] {
  const problems = library.kind === "failed" ? library.problems : ["is not a library"];
  return problems.map((problem) => `${library.path}: ${problem}`);
}

function libraryRefusal(lines: readonly string[]): SluiceError {
  return new SluiceError("LOAD_LIBRARY", lines.join("\n"), { errnum: ERRNO.EINVAL });
}

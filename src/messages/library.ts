import { ERRNO, messageOf, SluiceError } from "../errors/index.js";
import type { ModuleMain } from "./module-runtime.js";

/** Version of the manifest's format, which a library and its host share (docs/design/modules.md §6). */
export const LIBRARY_API = "1.0";

/**
 * Key by which the host recognises a library, from any copy of the package. Its value is the version of that copy.
 */
export const LIBRARY_MARK = Symbol.for("sluice.library");

/** The description of a host, as the argument of `compatible()`. */
export interface LibraryHost {
  /** Version of Sluice. */
  readonly version: string;
  readonly api: string;
  /** Kind → the version of the kind on the host. */
  readonly kinds: Readonly<Record<string, string>>;
}

/** Names of modules, or a map from name to the semver range of versions. */
export type ModuleDemands = readonly string[] | Readonly<Record<string, string>>;

/** One module of a {@link Library}. */
export interface LibraryModule {
  /**
   * The kind that the module implements, such as `sched`: a service of this name, with the methods of the
   * kind.
   */
  readonly kind?: string;
  /** Version of the kind that the module implements, such as `1.0`. */
  readonly kindVersion?: string;
  /** The module's semver version. */
  readonly version?: string;
  readonly description?: string;
  /** Whether the module supports this host: true, or false or a text with the reason. */
  compatible?(host: LibraryHost): boolean | string | Promise<boolean | string>;
  /** Modules that the user must not pick with this module. */
  readonly conflicts?: ModuleDemands;
  /** Modules that the user must pick as well. */
  readonly requires?: ModuleDemands;
  /** The module's entry function. */
  readonly main: ModuleMain;
}

/** Several modules in one file, which exports them as `sluiceLibrary` (docs/design/modules.md §6). */
export interface Library {
  /** Version of the manifest's format, `1.0`. */
  readonly api: string;
  /** Semver range of the versions of Sluice that the library supports. Default: all. */
  readonly host?: string;
  /** Whether the library's picked modules run in one thread and share the variables at the top level of the file. */
  readonly shared?: boolean;
  readonly modules: Readonly<Record<string, LibraryModule>>;
}

/**
 * The library that a file exports: `sluiceLibrary`, or a value with {@link LIBRARY_MARK}. Files in CommonJS have all
 * their exports under `default`. The host recognises it by its shape, never by a class: the file may have a copy of this package.
 */
export function findLibrary(exports: unknown): Readonly<Record<string | symbol, unknown>> | undefined {
  for (const place of [exports, isRecord(exports) ? exports["default"] : undefined]) {
    if (!isRecord(place)) continue;
    const found = place["sluiceLibrary"] ?? (LIBRARY_MARK in place ? place : undefined);
    if (isRecord(found)) return found;
  }
  return undefined;
}

/**
 * The entry function of one module of a library.
 * @param path for the message
 * @throws SluiceError `LOAD_NO_ENTRY` if the file is no library, or has no such module
 */
export function findMember(exports: unknown, path: string, member: string): ModuleMain {
  const library = findLibrary(exports);
  if (library === undefined) throw noEntry(`${path}: is not a library: it does not export sluiceLibrary`);
  const modules = library["modules"];
  const found = isRecord(modules) && Object.hasOwn(modules, member) ? modules[member] : undefined;
  const main = isRecord(found) ? found["main"] : undefined;
  if (typeof main === "function") return main as ModuleMain;
  throw noEntry(`${path}: the library has no module '${member}' with a function main`);
}

/**
 * The manifest of a library, as JSON: `main` is whether it is a function, `compatible` the answer of that function.
 * @param names the modules whose `compatible` to call; default: all
 * @returns undefined if the file is no library
 */
export async function describeLibrary(
  exports: unknown,
  host: LibraryHost,
  names?: readonly string[],
): Promise<string | undefined> {
  const library = findLibrary(exports);
  if (library === undefined) return undefined;
  const { modules } = library;
  const mark = library[LIBRARY_MARK];
  const described: Record<string, unknown> = {};
  for (const [name, member] of isRecord(modules) ? Object.entries(modules) : []) {
    described[name] = await describeMember(member, names?.includes(name) === false ? undefined : host);
  }
  return JSON.stringify({
    ...library,
    ...(typeof mark === "string" && { sluice: mark }),
    modules: isRecord(modules) ? described : modules,
  });
}

async function describeMember(member: unknown, host: LibraryHost | undefined): Promise<unknown> {
  if (!isRecord(member)) return member;
  const { main, compatible, ...rest } = member;
  const isAsked = host !== undefined && compatible !== undefined;
  return {
    ...rest,
    main: typeof main === "function",
    ...(isAsked && { compatible: await judge(member, compatible, host) }),
  };
}

/** The answer of `compatible`; if it throws, a text with the error. */
async function judge(member: unknown, compatible: unknown, host: LibraryHost): Promise<unknown> {
  if (typeof compatible !== "function") return compatible;
  try {
    return (await Reflect.apply(compatible, member, [host])) as unknown;
  } catch (error) {
    return `compatible() failed: ${messageOf(error)}`;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string | symbol, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function noEntry(message: string): SluiceError {
  return new SluiceError("LOAD_NO_ENTRY", message, { errnum: ERRNO.EINVAL });
}

import {
  type AskedPick,
  checkLibraries,
  kindsOf,
  type LibraryFailure,
  libraryHost,
  LIBRARY_TIMEOUT_MS,
  type LibraryReport,
  type Others,
  splitMember,
  verifyAlone,
} from "../../libraries/index.js";
import type { JsonObject } from "../configuration.js";
import { packageVersion } from "../package-version.js";
import { moduleFinder } from "./module-finder.js";

/** How libraries are checked without an instance. */
export interface OfflineLibraryOptions {
  /** Colon-separated directories for bare names. */
  readonly modulePath: string;
  /** It may have loaders and kinds of its own. */
  readonly config?: JsonObject | undefined;
  readonly insecure?: boolean | undefined;
  /** How long the reading of one library may take, in milliseconds. Default: 10 s. */
  readonly timeoutMs?: number | undefined;
  readonly cacheDir?: string | undefined;
}

/** The result of {@link checkUnitLibraries}. */
export interface UnitLibraries {
  readonly refused: readonly LibraryFailure[];
  /** Versions of Sluice that libraries were made with, if they differ from this one, by path. */
  readonly otherCopies: ReadonlyMap<string, string>;
  /** This version of Sluice. */
  readonly version: string;
}

/** A module unit that may be of a library. */
type ModuleRequest = Omit<AskedPick, "file" | "member"> & { readonly path: string };

/**
 * Checks the libraries of units as an instance does, without an instance.
 * @param planned the modules that load together
 * @param unplanned the modules that are verified separately, because they load at another time or never
 */
export async function checkUnitLibraries(
  planned: readonly ModuleRequest[],
  unplanned: readonly ModuleRequest[],
  options: OfflineLibraryOptions,
): Promise<UnitLibraries> {
  const others = new Map(planned.map(({ unit }) => [unit, undefined] as const));
  const together = await checkLibrariesOffline(picksOf(planned), { ...options, others });
  const apart = await checkLibrariesOffline(picksOf(unplanned), { ...options, others });
  const host = libraryHost(packageVersion(), kindsOf(options.config?.["kinds"]));
  const alone = apart.picks.flatMap((pick) => {
    const library = apart.libraries.get(pick.path);
    const check = { host, loader: pick.loader ?? "" };
    return library === undefined
      ? []
      : verifyAlone(library, pick.member, check).map((f) => ({ ...f, units: [pick.unit] }));
  });
  const opened = [...together.libraries.values(), ...apart.libraries.values()];
  const copies = opened.flatMap((library) => {
    const copy = library.kind === "opened" ? library.manifest.sluice : undefined;
    return copy === undefined || copy === packageVersion() ? [] : [[library.path, copy] as const];
  });
  return {
    refused: [...together.failures, ...together.leftOut, ...unfound(apart), ...alone],
    otherCopies: new Map(copies),
    version: packageVersion(),
  };
}

function picksOf(requests: readonly ModuleRequest[]): AskedPick[] {
  return requests.flatMap(({ path, ...request }) => {
    const { file, member } = splitMember(path);
    return member === undefined ? [] : [{ ...request, file, member }];
  });
}

/** Failures of libraries that were not found. */
function unfound({ failures, picks }: LibraryReport): LibraryFailure[] {
  const found = new Set(picks.map(({ unit }) => unit));
  return failures.filter(({ units }) => !units.some((unit) => found.has(unit)));
}

/** Opens and verifies libraries without a broker, as a broker would (docs/design/modules.md §6). */
function checkLibrariesOffline(
  picks: readonly AskedPick[],
  {
    modulePath,
    config = {},
    insecure,
    timeoutMs = LIBRARY_TIMEOUT_MS,
    cacheDir,
    others,
  }: OfflineLibraryOptions & { readonly others: Others },
): Promise<LibraryReport> {
  const find = moduleFinder({ modulePath, config: () => config, insecure });
  return checkLibraries(picks, {
    find: ({ file, exec, loader }) => find({ path: file, exec, loader }),
    ...{ version: packageVersion(), kinds: kindsOf(config["kinds"]), timeoutMs, cacheDir, others },
  });
}

import pLimit from "p-limit";
import { messageOf } from "../errors/index.js";
import type { ModuleLoader } from "../loaders/index.js";
import { LIBRARY_API, type LibraryHost } from "../messages/index.js";
import type { Kinds } from "./kinds.js";
import { openLibrary, type OpenedLibrary } from "./open.js";
import {
  failureText,
  type LibraryFailure,
  type LibraryPick,
  type Others,
  verifyLibraries,
} from "./verify.js";

/** How long the reading of one library may take, unless the caller sets another time. */
export const LIBRARY_TIMEOUT_MS = 10_000;

/** How many libraries it reads in parallel. */
const AT_A_TIME = 4;

/** A pick in a request, before its file is found. */
export interface AskedPick extends Omit<LibraryPick, "path"> {
  readonly exec?: boolean | undefined;
  /** Take it even if others may write to its file. */
  readonly insecure?: boolean | undefined;
  /** A path, or a bare name to look up on the module path. */
  readonly file: string;
}

/** The dependencies of a check of libraries. */
export interface LibraryCheckOptions {
  /** Finds a library's file and its loader. */
  find(pick: AskedPick): Promise<{ readonly path: string; readonly loader: ModuleLoader }>;
  /** Version of Sluice. */
  readonly version: string;
  readonly kinds: Kinds;
  /** How long the reading of one library may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly cacheDir?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The modules that are loaded or about to load, beside the picks. Default: none. */
  readonly others?: Others | undefined;
  /** Called for each failure when it is found. */
  readonly onFailure?: ((failure: LibraryFailure) => void) | undefined;
}

/** The result of a check of libraries. */
export interface LibraryReport {
  /** The failures that refuse all units. */
  readonly failures: readonly LibraryFailure[];
  /** Why optional picks are left out. */
  readonly leftOut: readonly LibraryFailure[];
  /** The picks whose files exist. */
  readonly picks: readonly LibraryPick[];
  /** By path. */
  readonly libraries: ReadonlyMap<string, OpenedLibrary>;
}

/** The description of the host for a library. */
export function libraryHost(version: string, kinds: Kinds): LibraryHost {
  const versions = [...kinds].map(([name, kind]) => [name, kind.version] as const);
  return { version, api: LIBRARY_API, kinds: Object.fromEntries(versions) };
}

/**
 * The first two phases of all libraries (docs/design/modules.md §6): it opens all of them before it verifies the
 * first. It leaves out refused optional picks, and verifies modules that require them without them.
 */
export async function checkLibraries(
  asked: readonly AskedPick[],
  options: LibraryCheckOptions,
): Promise<LibraryReport> {
  const { onFailure = () => undefined } = options;
  const found = await findAll(asked, { ...options, onFailure });
  const libraries = await openAll(found, { ...options, onFailure });
  const host = libraryHost(options.version, options.kinds);
  const others = options.others ?? new Map();
  const isOptional = (unit: string): boolean =>
    asked.some((pick) => pick.unit === unit && pick.optional === true);
  const leftOut = found.failures.filter(({ units }) => units.every(isOptional));
  const lost = new Set(leftOut.flatMap((failure) => [...failure.units, failure.module ?? ""]));
  let { picks } = found;
  for (;;) {
    const failures = verifyLibraries({ picks, libraries, others, leftOut: lost, host });
    const dropped = droppable(picks, failures);
    const isDropped = ({ units }: LibraryFailure): boolean =>
      dropped.some(({ unit }) => units.includes(unit));
    const told = dropped.length === 0 ? failures : failures.filter(isDropped);
    told.filter(({ library }) => libraries.get(library)?.kind === "opened").forEach(onFailure);
    if (dropped.length === 0) {
      const fatal = found.failures.filter((failure) => !leftOut.includes(failure));
      return { failures: [...fatal, ...failures], leftOut, picks, libraries };
    }
    leftOut.push(...told);
    for (const { unit, member } of dropped) lost.add(unit).add(member);
    picks = picks.filter((pick) => !dropped.includes(pick));
  }
}

/** The optional picks that are refused. */
function droppable(picks: readonly LibraryPick[], failures: readonly LibraryFailure[]): LibraryPick[] {
  const refused = new Set(failures.flatMap(({ units }) => units));
  return picks.filter(({ unit, optional }) => optional === true && refused.has(unit));
}

/** All failures, one a line. */
export function failuresText(failures: readonly LibraryFailure[]): string {
  return failures.map(failureText).join("\n");
}

interface Found {
  readonly picks: readonly LibraryPick[];
  readonly loaders: ReadonlyMap<string, ModuleLoader>;
  readonly failures: readonly LibraryFailure[];
}

type Telling = LibraryCheckOptions & { readonly onFailure: (failure: LibraryFailure) => void };

async function findAll(asked: readonly AskedPick[], options: Telling): Promise<Found> {
  const picks: LibraryPick[] = [];
  const loaders = new Map<string, ModuleLoader>();
  const failures: LibraryFailure[] = [];
  for (const pick of asked) {
    const { file, unit, member, thread, optional } = pick;
    try {
      const { path, loader } = await options.find(pick);
      picks.push({ unit, path, member, loader: loader.name, thread, optional });
      loaders.set(path, loader);
    } catch (error) {
      const message = withoutPrefix(messageOf(error), file);
      const failure = { library: file, module: pick.member, units: [pick.unit], message };
      failures.push(failure);
      options.onFailure(failure);
    }
  }
  return { picks, loaders, failures };
}

/** Opens each library once, some in parallel. It reports a failure while it still reads other libraries. */
async function openAll(
  { picks, loaders }: Found,
  options: Telling,
): Promise<ReadonlyMap<string, OpenedLibrary>> {
  const { version, kinds, timeoutMs, cacheDir, env, onFailure } = options;
  const host = libraryHost(version, kinds);
  const limit = pLimit(AT_A_TIME);
  const opened = [...loaders].map(([path, loader]) =>
    limit(async () => {
      const own = picks.filter((pick) => pick.path === path);
      const names = own.map(({ member }) => member);
      const library = await openLibrary(loader, { path, names, host, timeoutMs, cacheDir, env });
      const units = own.map(({ unit }) => unit);
      const problems =
        library.kind === "none" ? ["is not a library"] : library.kind === "failed" ? library.problems : [];
      for (const message of problems) onFailure({ library: path, module: undefined, units, message });
      return [path, library] as const;
    }),
  );
  return new Map(await Promise.all(opened));
}

function withoutPrefix(message: string, file: string): string {
  return message.startsWith(`${file}: `) ? message.slice(file.length + 2) : message;
}

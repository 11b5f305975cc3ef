import { didYouMean } from "../errors/index.js";
import type { LibraryHost } from "../messages/index.js";
import type { LibraryManifest, ManifestModule } from "./generated/tables.js";
import type { OpenedLibrary } from "./open.js";
import { isVersion, speaks, takesRelease, takesVersion } from "./versions.js";

/** A module that is picked from a library. */
export interface LibraryPick {
  /** The name of the load. */
  readonly unit: string;
  /** Absolute path of the library. */
  readonly path: string;
  /** Its name in the library. */
  readonly member: string;
  /** Name of the loader that takes it. */
  readonly loader?: string | undefined;
  /** Its thread group; `own` or undefined: none. */
  readonly thread?: string | undefined;
  /** Whether the load leaves it out after a refusal. */
  readonly optional?: boolean | undefined;
}

/** One reason why modules of a library are refused. */
export interface LibraryFailure {
  /** Absolute path of the library. */
  readonly library: string;
  /** Its name in the library; undefined: the library as a whole. */
  readonly module: string | undefined;
  /** The units that it concerns. */
  readonly units: readonly string[];
  /** The problem with both versions, without the names of the library and the module. */
  readonly message: string;
}

/**
 * The modules that are loaded or about to load, beside the picks, by each of their names. The value is the entry of
 * its library, if it has one.
 */
export type Others = ReadonlyMap<string, ManifestModule | undefined>;

/** The picks to verify together. */
export interface VerifyInput {
  readonly picks: readonly LibraryPick[];
  /** By path. */
  readonly libraries: ReadonlyMap<string, OpenedLibrary>;
  readonly others: Others;
  /** Names of left-out modules that others may require. */
  readonly leftOut: ReadonlySet<string>;
  readonly host: LibraryHost;
}

/** The second phase (docs/design/modules.md §6): every problem of the picks, library by library. Pure. */
export function verifyLibraries(input: VerifyInput): LibraryFailure[] {
  const { picks, libraries } = input;
  const paths = [...new Set(picks.map(({ path }) => path))];
  return [
    ...nameFailures(picks),
    ...paths.flatMap((path) => {
      const own = picks.filter((pick) => pick.path === path);
      const units = own.map(({ unit }) => unit);
      const library = libraries.get(path);
      const whole = (message: string): LibraryFailure => ({
        library: path,
        module: undefined,
        units,
        message,
      });
      if (library === undefined) return [whole("is not opened")];
      if (library.kind === "failed") return library.problems.map(whole);
      if (library.kind === "none") return [whole("is not a library")];
      const { manifest } = library;
      return [
        ...hostProblems(manifest, input.host).map(whole),
        ...(manifest.shared === true ? sharingProblems(own) : []).map(whole),
        ...own.flatMap((pick) =>
          memberProblems(pick, manifest, input).map((message) => ({
            ...{ library: path, module: pick.member, units: [pick.unit], message },
          })),
        ),
      ];
    }),
  ];
}

/**
 * The problems of one module of a library, regardless of the other picks.
 * @param loader the loader of the library
 */
export function verifyAlone(
  library: OpenedLibrary,
  member: string,
  { host, loader }: { readonly host: LibraryHost; readonly loader: string },
): LibraryFailure[] {
  const { path } = library;
  const manifest = library.kind === "opened" ? moduleOf(library.manifest, member) : undefined;
  const required = demandsOf(manifest?.requires).map(([name]) => name);
  return verifyLibraries({
    picks: [{ unit: member, path, member, loader }],
    libraries: new Map([[path, library]]),
    ...{ others: new Map(), leftOut: new Set(required), host },
  });
}

/** A failure as one line: the library, the module, the problem. */
export function failureText({ library, module, message }: LibraryFailure): string {
  return `${library}${module === undefined ? "" : `#${module}`}: ${message}`;
}

/** Units of one name from two libraries: their order must not decide which of them is loaded. */
function nameFailures(picks: readonly LibraryPick[]): LibraryFailure[] {
  const byUnit = new Map<string, LibraryPick>();
  return picks.flatMap((pick) => {
    const { unit, path, member } = pick;
    const first = byUnit.get(unit);
    byUnit.set(unit, first ?? pick);
    if (first === undefined || (first.path === path && first.member === member)) return [];
    const message = `is picked as '${unit}', the name of ${first.path}#${first.member}`;
    return [{ library: path, module: member, units: [unit], message }];
  });
}

function hostProblems(manifest: LibraryManifest, host: LibraryHost): string[] {
  const { api, host: range, python, pythonVersion } = manifest;
  const problems: string[] = [];
  if (!speaks(host.api, api)) problems.push(`is of library api ${api}; this host has api ${host.api}`);
  if (range !== undefined) {
    const takes = takesRelease(range, host.version);
    if (takes === undefined) problems.push(`host: '${range}' is not a range of versions`);
    if (takes === false) problems.push(`is built for Sluice ${range}; this host is ${host.version}`);
  }
  if (python !== undefined) {
    const takes = takesRelease(python, pythonVersion ?? "0.0.0");
    if (takes === undefined) problems.push(`python: '${python}' is not a range of versions`);
    if (takes === false)
      problems.push(`needs Python ${python}; this host runs ${pythonVersion ?? "no Python"}`);
  }
  return problems;
}

/** The modules of a library that shares its state must be able to run in one thread. */
function sharingProblems(picks: readonly LibraryPick[]): string[] {
  const alone = picks.find(({ loader = "thread" }) => loader !== "thread");
  const groups = groupsOf(picks);
  return [
    ...(alone === undefined ? [] : [`shares its state, which excludes a process for '${alone.unit}'`]),
    ...(groups.length > 1 ? [`shares its state, but is picked into the threads ${groups.join(", ")}`] : []),
  ];
}

/** The thread groups that the picks name. */
export function groupsOf(picks: readonly LibraryPick[]): string[] {
  const named = picks.flatMap(({ thread }) => (thread === undefined || thread === "own" ? [] : [thread]));
  return [...new Set(named)];
}

function memberProblems({ member }: LibraryPick, manifest: LibraryManifest, input: VerifyInput): string[] {
  const found = moduleOf(manifest, member);
  if (found === undefined) {
    const names = Object.keys(manifest.modules);
    const hint = didYouMean(member, names);
    return [`is not in the library, which has ${names.join(", ")}${hint === undefined ? "" : `; ${hint}`}`];
  }
  const { version, main } = found;
  return [
    ...(main === false ? ["has no function main"] : []),
    ...(version === undefined || isVersion(version) ? [] : [`its version '${version}' is not a version`]),
    ...kindProblems(found, input.host),
    ...compatibleProblems(found, input.host),
    ...conflictProblems(member, found, input),
    ...counterConflicts(member, found, input),
    ...requirementProblems(found, input),
  ];
}

/** A module of a library by its name in it. */
export function moduleOf({ modules }: LibraryManifest, member: string): ManifestModule | undefined {
  return Object.hasOwn(modules, member) ? modules[member] : undefined;
}

function kindProblems({ kind, kindVersion }: ManifestModule, host: LibraryHost): string[] {
  if (kind === undefined) return [];
  const spoken = Object.hasOwn(host.kinds, kind) ? host.kinds[kind] : undefined;
  if (spoken === undefined) {
    const known = Object.entries(host.kinds).map(([name, version]) => `${name} ${version}`);
    return [`is of kind '${kind}', which this host lacks; valid kinds: ${known.join(", ")}`];
  }
  if (kindVersion === undefined || speaks(spoken, kindVersion)) return [];
  return [`is of kind ${kind} ${kindVersion}; this host has ${kind} ${spoken}`];
}

function compatibleProblems({ compatible }: ManifestModule, host: LibraryHost): string[] {
  if (compatible === undefined || compatible === true) return [];
  const why = compatible === false ? "" : `: ${compatible}`;
  return [`is not compatible with this host, Sluice ${host.version}${why}`];
}

function conflictProblems(member: string, { conflicts }: ManifestModule, input: VerifyInput): string[] {
  return demandsOf(conflicts).flatMap(([name, range]) => {
    if (range !== undefined && takesVersion(range, "0.0.0") === undefined) {
      return [`conflicts: '${range}' is not a range of versions`];
    }
    const present = name === member ? undefined : presentAs(name, input);
    if (present === undefined || !isDemanded(range, present.version)) return [];
    return [
      `conflicts with '${name}'${range === undefined ? "" : ` ${range}`}; ${versionText(present)} is picked too`,
    ];
  });
}

/** Loaded modules may conflict with the picks. */
function counterConflicts(member: string, { version }: ManifestModule, { others }: VerifyInput): string[] {
  return [...others].flatMap(([name, other]) => {
    const demand = demandsOf(other?.conflicts).find(([conflict]) => conflict === member);
    if (demand === undefined || name === member || !isDemanded(demand[1], version)) return [];
    return [
      `${versionText({ name: member, version })} conflicts with ${versionText({ name, version: other?.version })}, which is loaded`,
    ];
  });
}

function requirementProblems({ requires }: ManifestModule, input: VerifyInput): string[] {
  return demandsOf(requires).flatMap(([name, range]) => {
    if (range !== undefined && takesVersion(range, "0.0.0") === undefined) {
      return [`requires: '${range}' is not a range of versions`];
    }
    const present = presentAs(name, input);
    const wanted = `requires '${name}'${range === undefined ? "" : ` ${range}`}`;
    if (present === undefined) return input.leftOut.has(name) ? [] : [`${wanted}, which is not picked`];
    return isDemanded(range, present.version) ? [] : [`${wanted}; ${versionText(present)} is picked`];
  });
}

interface Present {
  readonly name: string;
  readonly version: string | undefined;
}

/** The picks with a name, which is the name of a module in its library, or of a unit. */
function presentAs(name: string, { picks, libraries, others }: VerifyInput): Present | undefined {
  const pick = picks.find(({ member }) => member === name) ?? picks.find(({ unit }) => unit === name);
  if (pick === undefined) return others.has(name) ? { name, version: others.get(name)?.version } : undefined;
  const library = libraries.get(pick.path);
  const manifest = library?.kind === "opened" ? library.manifest : undefined;
  return { name, version: manifest && moduleOf(manifest, pick.member)?.version };
}

function isDemanded(range: string | undefined, version: string | undefined): boolean {
  if (range === undefined) return true;
  return version !== undefined && takesVersion(range, version) === true;
}

function versionText({ name, version }: Present): string {
  return version === undefined ? `'${name}' without a version` : `'${name}' ${version}`;
}

function demandsOf(demands: ManifestModule["requires"]): readonly (readonly [string, string | undefined])[] {
  if (demands === undefined) return [];
  return Array.isArray(demands) ? demands.map((name) => [name, undefined]) : Object.entries(demands);
}

import { type Diagnostic, type Origin, type Result, succeed } from "../../errors/index.js";
import { type LoadedModule, phaseRequest, type Plan, plan } from "../../graph/index.js";
import { contentsOf } from "../../instance/phase-contents.js";
import { fluxHostPrograms, type RcReading, RcSession, rcFiles, readSoundRcFiles } from "../../rc/index.js";
import {
  type Catalog,
  defaultDirectories,
  type Reading,
  rcSearchPath,
  type Runlevel,
} from "../../units/index.js";
import { Transpiler } from "../../typescript/index.js";
import type { PlanningContext } from "../facts.js";
import { printOutput, type RunView } from "./view.js";
import { filesOf, groupsOf, stackRoots } from "../instance/files-option.js";
import { pickedModules } from "../instance/modules-option.js";
import { withVerifiedLibraries } from "./libraries.js";
import { composeFor, PREFIX, refused, sayReading, tryCompose, type UnitOptions, valueOf } from "./units.js";
import { say, sayDiagnostics } from "../terminal/output.js";

/** The options of the plan. */
export interface Phase {
  readonly files: readonly string[];
  /** The runlevel whose declarative tasks are roots; undefined for `run FILE`. */
  readonly runlevel?: Runlevel;
  /** Modules that a user has loaded by name, and that stay. */
  readonly kept?: readonly string[];
  /** Default: the modules that the instance has loaded. */
  readonly loaded?: readonly LoadedModule[];
}

export interface PlanningOptions extends UnitOptions {
  readonly verbose?: boolean;
  /** Only plans. Settings of rc files must not reach the instance. */
  readonly planOnly?: boolean;
  /** Where the output of tasks goes; to standard output and error without a view. */
  readonly view?: RunView;
}

/** The inputs of a plan besides its catalog, facts and request. */
export interface Asked {
  /** Names that rc files force-enable. */
  readonly enabled: readonly string[];
  /** The origin of each root, by its name. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** Digests of the libraries that were verified for the plan, by unit. */
  readonly digests?: Readonly<Record<string, string>> | undefined;
}

/**
 * Reads the rc files, composes, plans, and runs the function with the plan and the host of the files' code.
 * @throws ExitError after it has printed all problems of all files
 */
export async function withPlan<T>(
  phase: Phase,
  context: PlanningContext,
  options: PlanningOptions,
  run: (planned: Plan, session: RcSession, asked: Asked) => T | Promise<T>,
): Promise<T> {
  const { facts } = context;
  const session = rcSessionFor(context, options);
  try {
    session.startHosts(phase.files);
    const read = await readUnits(phase.files, session, context, options);
    if (!read.ok) throw refused(read.diagnostics);
    sayStandIns(read.value.rc, read.warnings);
    const isStart = phase.runlevel === "rc1";
    const { rc, hasTasks } = isStart
      ? await withRoots(read.value.rc, options, context)
      : { rc: read.value.rc, hasTasks: true };
    const origins = new Map(rc.load.map(({ name, origin }) => [name, origin]));
    const loaded = phase.loaded ?? context.loaded;
    const planOf = (catalog: Catalog): Plan => {
      const kept = (phase.kept ?? []).filter((name) => catalog.byName.get(name)?.kind === "module");
      const contents = contentsOf(rc);
      const load = [...new Set([...contents.load, ...kept])];
      const all = { ...contents, load, groups: groupsOf(options, facts.attrs) };
      const runlevel = hasTasks ? phase.runlevel : undefined;
      const request = valueOf(phaseRequest(catalog, all, runlevel));
      const enabled = [...rc.enabled, ...kept];
      return valueOf(plan(catalog, { request, facts, loaded, enabled, origins }));
    };
    const asked = { enabled: rc.enabled, origins };
    const first = planOf(read.value.catalog);
    if (options.planOnly === true) return await run(first, session, asked);
    const { plan: planned, digests } = await withVerifiedLibraries(first, context, async (refused) =>
      planOf(await composeFor({ ...options, refused }, context, { rc: rc.fragments })),
    );
    session.useCatalog(planned.catalog, planned.picks);
    return await run(planned, session, { ...asked, digests });
  } finally {
    await session.close();
  }
}

/** The hosts of rc files with code in them, for one run. */
export function rcSessionFor(
  { facts, handle, fluxUri }: PlanningContext,
  options: PlanningOptions,
): RcSession {
  const { view } = options;
  const tell = (text: string): void => (view === undefined ? say(text) : view.say(text));
  const transpiler = new Transpiler();
  return new RcSession({
    facts,
    handle: options.planOnly ? undefined : handle,
    standIns: options.planOnly === true,
    programs: fluxUri === undefined ? undefined : fluxHostPrograms(fluxUri),
    cacheDir: facts.attrs["cachedir"],
    onOutput: (line) => (view === undefined ? printOutput(line) : view.output(line)),
    onPrint: options.verbose ? tell : () => undefined,
    isShipped: (file) => transpiler.isShipped(file),
  });
}

/**
 * Prints which files were read with stand-ins, and where a stand-in decided a part of the plan
 * (docs/design/flux.md §1).
 */
function sayStandIns({ standIns }: RcReading, warnings: readonly Diagnostic[]): void {
  for (const { file, names } of standIns) {
    say(`${PREFIX}: ${file}: read with stand-ins for ${names.join(", ")}`);
  }
  sayDiagnostics(
    warnings.filter(({ code }) => code === "RC_STAND_IN"),
    PREFIX,
  );
}

/** The modules after rc1: the assumption for the plan of a removal without an instance. */
export async function loadedAfterStart(
  context: PlanningContext,
  options: UnitOptions,
): Promise<readonly LoadedModule[]> {
  const { setAlternative, disable, file, group } = options;
  const phase: Phase = { files: await phaseFiles("rc1", context, options), runlevel: "rc1" };
  const planning = {
    planOnly: true,
    ...(setAlternative && { setAlternative }),
    ...(disable && { disable }),
    ...(file && { file }),
    ...(group && { group }),
  };
  return withPlan(phase, context, planning, ({ steps }) => {
    const loads = steps.flatMap((step) => (step.action === "load" ? [step] : []));
    return loads.map(({ unit, explicit }) => ({ name: unit.name, services: unit.provides, explicit }));
  });
}

/** The rc files of a phase, in order. An instance that consists of files has no rc files. */
export async function phaseFiles(
  runlevel: Runlevel,
  { facts }: Pick<PlanningContext, "facts">,
  { verbose = false, ...options }: Pick<PlanningOptions, "verbose" | "file">,
): Promise<string[]> {
  if (filesOf(options, facts.attrs) !== undefined) return [];
  const directories = defaultDirectories(process.env);
  const path = rcSearchPath(process.env, directories);
  return rcFiles(path, runlevel, directories.libexecDir, (pattern) => {
    if (verbose) say(`checking ${pattern}`);
  });
}

/** All units, including those of rc files, and the other contents of rc files. */
export interface UnitsRead {
  readonly catalog: Catalog;
  readonly rc: RcReading;
}

/**
 * Composes twice. The first catalog, without the rc files, answers their questions about modules. The second one also
 * has the changes of the rc files.
 * @param further files that come after all others
 */
export async function readUnits(
  files: readonly string[],
  session: RcSession,
  context: PlanningContext,
  options: PlanningOptions,
  further: readonly Reading[] = [],
): Promise<Result<UnitsRead>> {
  const onRead = options.verbose ? sayReading : () => undefined;
  if (files.some((file) => session.reads(file))) {
    const base = await tryCompose({}, context, { disableFromEnv: false });
    if (base.ok) session.useCatalog(base.value);
  }
  const onLoading = (file: string): void => onRead({ kind: "loading", file });
  const rc = await readSoundRcFiles(files, session, onLoading, context);
  // A problem in one line of a file must not hide the problems that show only once all files are composed.
  const composed = await tryCompose(options, context, { further: [...rc.readings, ...further], onRead });
  if (!composed.ok) return composed;
  return succeed({ catalog: composed.value, rc: rc.reading }, [...rc.warnings, ...composed.warnings]);
}

/** The requests of rc files, the picks of `--modules`, and the modules of `-f` files, which rc1 loads. */
export async function withRoots(
  rc: RcReading,
  options: UnitOptions,
  { facts, guard }: PlanningContext,
): Promise<{ readonly rc: RcReading; readonly hasTasks: boolean }> {
  const files = filesOf(options, facts.attrs);
  const groups = groupsOf(options, facts.attrs);
  const stack = files === undefined ? undefined : await stackRoots(files, groups, guard);
  const load = [...rc.load, ...pickedModules(options, facts.attrs).load, ...(stack?.load ?? [])];
  return { rc: { ...rc, load }, hasTasks: stack?.isChosen !== true };
}

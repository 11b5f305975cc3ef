import { fail } from "../../../errors/index.js";
import type { Plan } from "../../../graph/index.js";
import { planStop, recordedModules } from "../../../instance/stop-plan.js";
import type { Handle } from "../../../messages/index.js";
import { type RcSession, readSoundRcFiles } from "../../../rc/index.js";
import type { PlanningContext } from "../../facts.js";
import { groupsOf } from "../../instance/files-option.js";
import { ExitError, say, sayDiagnostics } from "../../terminal/output.js";
import { type Asked, type Phase, type PlanningOptions, rcSessionFor } from "../read-and-plan.js";
import { composeSoundFor, PREFIX, sayReading } from "../units.js";

/** The context of a live instance. */
type LiveContext = PlanningContext & { readonly handle: Handle };

/**
 * Plans the shutdown of a live instance (docs/design/instance.md §1). Modules go in the order that the broker has
 * recorded. Files only decide which tasks run meanwhile. It reports unreadable parts of them once, and leaves them
 * out.
 * @throws ExitError when the function has run, if the tasks of an rc file or of a unit are missing
 */
export async function withStopPlan<T>(
  phase: Phase,
  context: LiveContext,
  options: PlanningOptions,
  run: (planned: Plan, session: RcSession, asked: Asked) => T | Promise<T>,
): Promise<T> {
  const session = rcSessionFor(context, options);
  try {
    session.startHosts(phase.files);
    const { catalog, rc, diagnostics, missing } = await readSound(phase, session, context, options);
    const recorded = await recordedModules(context.handle, context.loaded);
    const { facts } = context;
    const groups = groupsOf(options, facts.attrs);
    const planned = planStop(catalog, { facts, runlevel: phase.runlevel, rc, groups, ...recorded });
    const problems = fail([...diagnostics, ...planned.diagnostics]);
    if (!problems.ok) sayDiagnostics(problems.diagnostics, PREFIX);
    const gaps = [...missing, ...planned.missing];
    for (const gap of gaps) say(`${PREFIX}: ${gap}`);
    if (!options.planOnly) session.useCatalog(catalog, planned.plan.picks);
    const result = await run(planned.plan, session, { enabled: rc.enabled, origins: new Map() });
    if (gaps.length > 0) throw new ExitError(1);
    return result;
  } finally {
    await session.close();
  }
}

/** Reads the valid parts of files. */
async function readSound(
  { files }: Phase,
  session: RcSession,
  context: PlanningContext,
  options: PlanningOptions,
) {
  const onRead = options.verbose ? sayReading : () => undefined;
  if (files.some((file) => session.reads(file))) {
    session.useCatalog((await composeSoundFor({}, context, { disableFromEnv: false })).catalog);
  }
  const onLoading = (file: string): void => onRead({ kind: "loading", file });
  const read = await readSoundRcFiles(files, session, onLoading, context);
  const composed = await composeSoundFor(options, context, {
    rc: read.reading.fragments,
    // A task of rc1 may be disabled too. It is in no file of rc3.
    disableFromEnv: "known",
    onRead,
  });
  return {
    catalog: composed.catalog,
    rc: read.reading,
    diagnostics: [...read.diagnostics, ...composed.diagnostics],
    missing: read.unread.map((file) => `${file}: its tasks do not run, because Sluice cannot read the file`),
  };
}

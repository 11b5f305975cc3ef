import { type Diagnostic, fail } from "../../../errors/index.js";
import { type LoadedModule, type LoadOrder, phaseRequest, type Plan, plan } from "../../../graph/index.js";
import { fields, type Handle, type JsonValue } from "../../../messages/index.js";
import { type RcSession, readSoundRcFiles } from "../../../rc/index.js";
import type { Catalog } from "../../../units/index.js";
import type { PlanningContext } from "../../facts.js";
import { ExitError, say, sayDiagnostics } from "../../terminal/output.js";
import { type Asked, contentsOf, type Phase, type PlanningOptions, rcSessionFor } from "../read-and-plan.js";
import { composeSoundFor, PREFIX, sayReading } from "../units.js";

/** Of a live instance. */
type LiveContext = PlanningContext & { readonly handle: Handle };

/**
 * Plans the way down of a live instance (docs/design/instance.md §1): what is loaded goes in the order that the broker
 * has recorded, and files say nothing but which tasks run on the way. What cannot be read of them is reported once, and
 * left out.
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
    const loaded = await recordedModules(context);
    const planned = planSound(catalog, { phase, context, rc, ...loaded });
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

/** Files as far as they can be read. */
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
  const read = await readSoundRcFiles(files, session, onLoading, context.guard);
  const composed = await composeSoundFor(options, context, { rc: read.reading.fragments, onRead });
  return {
    catalog: composed.catalog,
    rc: read.reading,
    diagnostics: [...read.diagnostics, ...composed.diagnostics],
    missing: read.unread.map((file) => `${file}: its tasks are missing, as it cannot be read`),
  };
}

interface Recorded {
  readonly loaded: readonly LoadedModule[];
  readonly order: LoadOrder;
}

/** What is loaded, and in which order the broker would take it down. */
async function recordedModules({ handle, loaded }: LiveContext): Promise<Recorded> {
  const answer = fields(await handle.rpc("module.order"), {
    nodes: "string[]",
    offsets: "array",
    targets: "array",
    timeoutsMs: "array",
  });
  const order = {
    nodes: answer.nodes,
    offsets: Uint32Array.from(answer.offsets, Number),
    targets: Uint32Array.from(answer.targets, Number),
  };
  const timeouts = new Map(answer.nodes.map((name, i) => [name, answer.timeoutsMs[i]]));
  const withTimeouts = loaded.map((module) => ({
    ...module,
    timeoutMs: timeoutOf(timeouts.get(module.name)),
  }));
  return { loaded: withTimeouts, order };
}

function timeoutOf(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}

interface StopInput extends Recorded {
  readonly phase: Phase;
  readonly context: PlanningContext;
  readonly rc: Parameters<typeof contentsOf>[0];
}

interface SoundPlan {
  readonly plan: Plan;
  readonly diagnostics: readonly Diagnostic[];
  /** What of the tasks is left out, and why. */
  readonly missing: readonly string[];
}

/** A plan in any case: tasks that cannot be planned are left out, those at fault first, then all. */
function planSound(catalog: Catalog, input: StopInput): SoundPlan {
  const { phase, context, rc, loaded, order } = input;
  const request = phaseRequest(catalog, { ...contentsOf(rc), load: [], remove: "all" }, phase.runlevel);
  if (!request.ok || request.value.kind !== "stop") throw new TypeError("a shutdown that is no stop");
  const stop = request.value;
  const given = { facts: context.facts, loaded, order, enabled: rc.enabled };
  const whole = plan(catalog, { request: stop, ...given });
  if (whole.ok) return { plan: whole.value, diagnostics: whole.warnings, missing: [] };
  const isSound = (root: string): boolean =>
    plan(catalog, { request: { ...stop, roots: [root] }, ...given }).ok;
  const sound = stop.roots.filter(isSound);
  for (const roots of [sound, []]) {
    const rest = plan(catalog, {
      request: { ...stop, roots },
      ...given,
      ...(roots.length === 0 && { enabled: [] }),
    });
    if (!rest.ok) continue;
    const lost = stop.roots.filter((root) => !roots.includes(root));
    const missing = lost.map((root) => `${root}: not run, as it cannot be planned`);
    return { plan: rest.value, diagnostics: [...whole.diagnostics, ...rest.warnings], missing };
  }
  // Without tasks there is nothing but the record, which has no cycle.
  throw new ExitError(1);
}

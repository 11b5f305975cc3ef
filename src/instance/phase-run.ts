import type { Broker } from "../broker/index.js";
import { messageOf, renderDiagnostic, type Result } from "../errors/index.js";
import { type Facts, type LoadedModule, phaseRequest, type Plan, plan } from "../graph/index.js";
import type { Handle } from "../messages/index.js";
import {
  InstanceStepExecutor,
  type RcReading,
  RcSession,
  readRcFiles,
  readSoundRcFiles,
  refusalText,
  verifyLibrariesOf,
} from "../rc/index.js";
import { collect, type RunEvent, type RunReport, runPlan } from "../run/index.js";
import { Transpiler } from "../typescript/index.js";
import {
  type Catalog,
  composeOver,
  type DisableRequest,
  type FileGuard,
  namedOrigin,
} from "../units/index.js";
import { askInstance } from "./instance-facts.js";
import { contentsOf } from "./phase-contents.js";
import { withPlannedServices } from "./planned-services.js";
import { shuffleOf } from "./read-shuffle.js";
import { recordOrder } from "./record-order.js";
import { RunReporter } from "./run-reporter.js";
import { StartError } from "./start-error.js";
import { planStop, recordedModules } from "./stop-plan.js";
import { type UnitOutcome, unitOutcomes } from "./unit-outcome.js";

/** The inputs of rc1 and rc3 of an embedded broker. */
export interface PhaseSettings {
  readonly broker: Broker;
  readonly handle: Handle;
  readonly catalog: Catalog;
  /** The guard that checks rc files before the read. */
  readonly guard: FileGuard;
  readonly insecure: boolean;
  readonly jobs: number | undefined;
  readonly keepGoing: boolean | undefined;
  readonly onEvent: ((event: RunEvent) => void) | undefined;
}

/** A phase that has been run. */
export interface PhaseResult {
  readonly plan: Plan;
  readonly report: RunReport;
  readonly units: readonly UnitOutcome[];
}

/** The source of the plan of a start: rc files, or names of units and services. */
export type StartSource =
  | { readonly kind: "files"; readonly files: readonly string[] }
  | { readonly kind: "roots"; readonly roots: readonly string[] };

/**
 * Plans rc1 and runs it (docs/design/planning.md §5, §7).
 * @param signal aborted: nothing more starts. Running steps are cancelled
 * @throws StartError with all problems of the rc files, of the units or of the plan
 */
export async function runStart(
  settings: PhaseSettings,
  source: StartSource,
  signal: AbortSignal,
): Promise<PhaseResult> {
  const phase = await openPhase("rc1", settings);
  try {
    const files = source.kind === "files" ? source.files : [];
    const rc = await reading(phase.session, signal, async () => {
      phase.session.startHosts(files);
      return valueOf(await readRcFiles(files, phase.session, undefined, { guard: settings.guard }));
    });
    const origins = new Map(rc.load.map(({ name, origin }) => [name, origin]));
    const { facts, loaded } = phase;
    const planWithout = (disable: readonly DisableRequest[]): Plan => {
      const catalog = valueOf(composeOver(settings.catalog, rc.fragments, disable));
      const request =
        source.kind === "roots"
          ? ({ kind: "start", roots: source.roots } as const)
          : valueOf(phaseRequest(catalog, contentsOf(rc), "rc1"));
      return valueOf(plan(catalog, { request, facts, loaded, enabled: rc.enabled, origins }));
    };
    const { planned, digests } = await verified(phase, planWithout);
    return await carryOut(phase, planned, { signal, digests });
  } finally {
    await phase.session.close();
  }
}

/**
 * Plans rc3 from the broker's records, and runs it. Logs unreadable files, and leaves them out.
 * @param signal aborted: running steps are cancelled
 */
export async function runStop(
  settings: PhaseSettings,
  { files, cancelAfterMs }: { readonly files: readonly string[]; readonly cancelAfterMs: number | undefined },
  signal: AbortSignal,
): Promise<PhaseResult> {
  const { broker, handle } = settings;
  const phase = await openPhase("rc3", settings);
  try {
    const read = await reading(phase.session, signal, async () => {
      phase.session.startHosts(files);
      return readSoundRcFiles(files, phase.session, () => undefined, { guard: settings.guard });
    });
    const { rc, catalog, problems } = overCatalog(settings.catalog, read.reading);
    const recorded = await recordedModules(handle, phase.loaded);
    const stop = planStop(catalog, { facts: phase.facts, runlevel: "rc3", rc, ...recorded });
    for (const diagnostic of [...read.diagnostics, ...problems, ...stop.diagnostics]) {
      broker.log.append("rc3", "err", renderDiagnostic(diagnostic));
    }
    for (const gap of stop.missing) broker.log.append("rc3", "err", gap);
    return await carryOut(phase, stop.plan, { signal, cancelRemovalAfterMs: cancelAfterMs });
  } finally {
    await phase.session.close();
  }
}

interface OpenPhase {
  readonly phase: "rc1" | "rc3";
  readonly settings: PhaseSettings;
  readonly session: RcSession;
  readonly facts: Facts;
  readonly loaded: readonly LoadedModule[];
}

async function openPhase(name: "rc1" | "rc3", settings: PhaseSettings): Promise<OpenPhase> {
  const { broker, handle, catalog } = settings;
  const { loaded, configuration, ...instance } = await askInstance(handle);
  const facts: Facts = { ...instance, config: configuration.table };
  const transpiler = new Transpiler();
  const session = new RcSession({
    facts,
    handle,
    env: broker.programEnvironment(),
    cacheDir: facts.attrs["cachedir"],
    onOutput: (line) => broker.taskOutput(name, line),
    onPrint: (text) => broker.log.append(name, "debug", text),
    isShipped: (file) => transpiler.isShipped(file),
  });
  session.useCatalog(catalog);
  return { phase: name, settings, session, facts, loaded };
}

/** Reads rc files. An abort ends their hosts, so that the reading fails. */
async function reading<T>(session: RcSession, signal: AbortSignal, read: () => Promise<T>): Promise<T> {
  const abort = (): void => void session.close();
  signal.throwIfAborted();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await read();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** The contents of rc3 files, composed over the catalog; the catalog alone if they conflict. */
function overCatalog(catalog: Catalog, rc: RcReading) {
  const composed = composeOver(catalog, rc.fragments);
  if (composed.ok) return { rc, catalog: composed.value, problems: [] };
  const none = { fragments: [], tasks: [], load: [], remove: "all", enabled: [], standIns: [] } as const;
  return { rc: none, catalog, problems: composed.diagnostics };
}

/**
 * Verifies the libraries of a plan, and leaves out optional units with refused libraries.
 * @throws StartError `LOAD_LIBRARY` with every refusal
 */
async function verified(
  { settings }: OpenPhase,
  planWithout: (disable: readonly DisableRequest[]) => Plan,
): Promise<{ readonly planned: Plan; readonly digests: Readonly<Record<string, string>> }> {
  const refused = new Map<string, DisableRequest>();
  for (;;) {
    const planned = planWithout([...refused.values()]);
    const { insecure, handle, broker } = settings;
    const { failures, leftOut, digests } = await verifyLibrariesOf(planned, handle, { insecure });
    const names = leftOut.flatMap(({ units }) => units);
    for (const failure of leftOut) {
      broker.log.append("rc1", "warning", `${refusalText(failure)} (optional, left out)`);
    }
    // If the plan has a disabled optional unit, the user requested it by name.
    const fatal =
      failures.length > 0 ? failures : leftOut.filter(({ units }) => units.some((unit) => refused.has(unit)));
    if (fatal.length > 0) throw new StartError("LOAD_LIBRARY", fatal.map(refusalText).join("\n"));
    if (names.length === 0) return { planned, digests };
    for (const name of names) refused.set(name, { name, origin: namedOrigin("the check of its library") });
  }
}

interface CarryOutOptions {
  readonly signal: AbortSignal;
  readonly cancelRemovalAfterMs?: number | undefined;
  readonly digests?: Readonly<Record<string, string>> | undefined;
}

async function carryOut(
  { phase, settings, session, facts, loaded }: OpenPhase,
  planned: Plan,
  { signal, ...options }: CarryOutOptions,
): Promise<PhaseResult> {
  const { handle, broker, insecure, jobs, keepGoing, onEvent } = settings;
  session.useCatalog(planned.catalog, planned.picks);
  const executor = new InstanceStepExecutor({
    handle,
    session,
    onOutput: (line) => broker.taskOutput(phase, line),
    insecure,
    isStart: planned.request.kind === "start",
    plan: await recordOrder(planned, handle, loaded),
    ...options,
  });
  const shuffle = phase === "rc1" ? shuffleOf(facts.attrs) : undefined;
  const events = runPlan(planned, { executor, jobs, keepGoing, shuffle, signal, cancelSignal: signal });
  const reporter = RunReporter.open(planned, handle, planned.request.kind === "start" ? "rc1" : "rc3");
  const show = (event: RunEvent): void => {
    reporter?.show(event);
    try {
      onEvent?.(event);
    } catch (error) {
      broker.log.append("broker", "err", `onEvent: ${messageOf(error)}`);
    }
  };
  const report = await withPlannedServices(planned, handle, () => collect(events, show));
  await reporter?.close(false);
  return { plan: planned, report, units: unitOutcomes(planned.steps, report.events) };
}

function valueOf<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw StartError.of(result.diagnostics);
}

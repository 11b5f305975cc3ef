import { Command } from "commander";
import { compareDiagnostics, counted, type Diagnostic } from "../../errors/index.js";
import {
  orderWarnings,
  unreachedWarnings,
  startupRequestWarnings,
  plan,
  rankClasses,
  runlevelRoots,
  verifyCatalog,
} from "../../graph/index.js";
import {
  fluxHostPrograms,
  idleScriptWarnings,
  missingProgramWarnings,
  RcSession,
  servicesChosenByCode,
  unreadFileWarnings,
} from "../../rc/index.js";
import { type Catalog, compositionWarnings, type Fragment, readRcReading } from "../../units/index.js";
import { type PlanningContext, type FactOptions, withPlanningContext, withFacts } from "../facts.js";
import { environmentFileDiagnostics } from "./environment-files.js";
import { checkLibrariesOf, libraryDiagnostics } from "./libraries.js";
import { phaseFiles, readUnits, type UnitsRead, withRoots } from "./read-and-plan.js";
import { requestsOfModules } from "./module-requests.js";
import { programPartDiagnostics } from "./program-parts.js";
import { PREFIX, type UnitOptions, withStartOptions } from "./units.js";
import { memoryLimitFile } from "../../processes/index.js";
import { ExitError, printJson, say, sayDiagnostics } from "../terminal/output.js";
import { toSarif } from "./sarif.js";
import { VERSION } from "../version.js";

interface VerifyOptions extends FactOptions, UnitOptions {
  readonly strict?: boolean;
  readonly json?: boolean;
}

export function command(): Command {
  return withStartOptions(withFacts(new Command("verify")))
    .argument("[file...]", "further fragments, which Sluice composes after the others")
    .option("--strict", "exit with 1 for warnings too")
    .option("--json", "a SARIF 2.1.0 log, for editors and CI")
    .addHelpText("after", "\nExample:\n  sluice modprobe verify --strict ./motd.toml")
    .action(async (files: readonly string[], options: VerifyOptions) => {
      await withPlanningContext(options, async (context) => {
        const { found, catalog } = await findAll(files, context, options);
        if (options.json) printJson(toSarif(found, VERSION));
        else sayDiagnostics(found, PREFIX);
        const errors = found.filter(({ severity }) => severity === "error").length;
        if (!options.json && catalog !== undefined) memoryLimitLines(catalog).forEach((line) => say(line));
        if (!options.json) say(`${counted(errors, "error")}, ${counted(found.length - errors, "warning")}`);
        if (errors > 0 || (options.strict && found.length > 0)) throw new ExitError(1);
      });
    });
}

/** The lines about memory limits. They report no mistake, because the machine decides how to enforce a limit. */
function memoryLimitLines(catalog: Catalog): string[] {
  const limited = catalog.units.filter(
    (unit) => unit.kind === "module" && unit.command !== undefined && unit.memoryLimitBytes !== undefined,
  );
  if (limited.length === 0) return [];
  const file = memoryLimitFile();
  const how =
    file === undefined ? "a check each second; the broker can write to no cgroup" : `the kernel (${file})`;
  return [`memory-limit of ${limited.map(({ name }) => name).join(", ")}: enforced on this host by ${how}`];
}

/** The findings of verify, and their sources. */
interface Verified {
  readonly found: readonly Diagnostic[];
  /** Undefined if the units cannot be read. */
  readonly catalog: Catalog | undefined;
}

/** All errors and doubts, each once, sorted by place. */
async function findAll(
  files: readonly string[],
  context: PlanningContext,
  options: VerifyOptions,
): Promise<Verified> {
  const further = await Promise.all(files.map((file) => readRcReading(file, context)));
  const session = new RcSession({
    facts: context.facts,
    handle: undefined,
    standIns: true,
    programs: context.fluxUri === undefined ? undefined : fluxHostPrograms(context.fluxUri),
    onOutput: () => undefined,
    onPrint: () => undefined,
  });
  try {
    const rcFiles = await phaseFiles("rc1", context, options);
    const units = await readUnits(rcFiles, session, context, { ...options, planOnly: true }, further);
    const found = [
      ...unreadFileWarnings(process.env),
      ...idleScriptWarnings(process.env, "rc1", rcFiles),
      ...idleScriptWarnings(process.env, "rc3", await phaseFiles("rc3", context, options)),
      ...(units.ok
        ? [
            ...units.warnings,
            ...(await unitWarnings(
              { ...units.value, rc: (await withRoots(units.value.rc, options, context)).rc },
              further.map(({ fragment }) => fragment),
              context,
              rcFiles,
            )),
          ]
        : units.diagnostics),
    ];
    const unique = new Map(found.map((diagnostic) => [keyOf(diagnostic), diagnostic]));
    return {
      found: [...unique.values()].sort(compareDiagnostics),
      catalog: units.ok ? units.value.catalog : undefined,
    };
  } finally {
    await session.close();
  }
}

async function unitWarnings(
  { catalog, rc }: UnitsRead,
  further: readonly Fragment[],
  context: PlanningContext,
  files: readonly string[],
): Promise<Diagnostic[]> {
  const { facts } = context;
  const named = [...rc.load, ...further.flatMap(({ load }) => load)].map(({ name }) => name);
  const tasks = further.flatMap(({ definitions }) => definitions.filter(({ kind }) => kind === "task"));
  const roots = [
    ...new Set([...rc.tasks, ...runlevelRoots(catalog, "rc1"), ...tasks.map(({ name }) => name), ...named]),
  ];
  const origins = new Map(rc.load.map(({ name, origin }) => [name, origin]));
  const lowest = rankClasses(catalog.units, facts.size).map(({ ranges }) => ranges[0]?.[0] ?? facts.rank);
  const requests = await requestsOfModules(catalog);
  const request = { kind: "start", roots } as const;
  const here = plan(catalog, { request, facts, enabled: rc.enabled, origins });
  const libraries = here.ok
    ? libraryDiagnostics(here.value, await checkLibrariesOf(here.value, context))
    : [];
  return [
    ...libraries,
    ...verifyCatalog(catalog, servicesChosenByCode(files)),
    ...compositionWarnings(catalog),
    ...(await missingProgramWarnings(catalog, process.env["PATH"])),
    ...(await programPartDiagnostics(catalog, process.env)),
    ...(await environmentFileDiagnostics(catalog)),
    ...unreachedWarnings(catalog, [...roots, ...runlevelRoots(catalog, "rc3")]),
    ...[...new Set([facts.rank, ...lowest])].flatMap((rank) => {
      const planned = plan(catalog, { request, facts: { ...facts, rank }, enabled: rc.enabled, origins });
      if (!planned.ok) return planned.diagnostics;
      return [
        ...planned.warnings,
        ...(rank === facts.rank ? orderWarnings(planned.value) : []),
        ...startupRequestWarnings(planned.value, requests),
      ];
    }),
  ];
}

/** A problem with the same place and text counts once, for any number of ranks. */
function keyOf({ code, message, location }: Diagnostic): string {
  return JSON.stringify([code, message, location?.file, location?.line, location?.column]);
}

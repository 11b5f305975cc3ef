import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { compareDiagnostics } from "../errors/index.js";
import {
  dryRunLines,
  type LoadedModule,
  type Plan,
  plan,
  type PlanRequest,
  runlevelRoots,
  showDeps,
} from "../graph/index.js";
import { type RcReading, RcSession, rcFiles, readRcFiles } from "../rc/index.js";
import type { RunReport } from "../run/index.js";
import { type Catalog, defaultDirectories, rcSearchPath, type Runlevel } from "../units/index.js";
import { type Circumstances, type FactOptions, withCircumstances, withFacts } from "./facts.js";
import { carryOut, type CarryOutOptions, printOutput, withJobs } from "./modprobe-carry-out.js";
import { refused, sayReading, tryCompose, type UnitOptions, valueOf, withUnitOptions } from "./modprobe-units.js";
import { ExitError, printJson, printLine, say } from "./output.js";

interface RunOptions extends FactOptions, UnitOptions, CarryOutOptions {
  readonly dryRun?: boolean;
  readonly showDeps?: boolean;
  /** A file, or true for the KVS alone. */
  readonly timing?: string | true;
}

export function runCommand(): Command {
  return withRunOptions(new Command("run"))
    .description("run one rc file")
    .argument("<file>", "TypeScript, JavaScript, TOML or YAML")
    .addHelpText("after", "\nExample:\n  sluice modprobe run --show-deps ./maintenance.ts")
    .action(async (file: string, options: RunOptions) => {
      await withCircumstances(options, (circumstances) =>
        withPlan({ files: [resolve(file)] }, circumstances, options, (planned, session) =>
          finish(planned, session, circumstances, options),
        ),
      );
    });
}

/** `rc1` and `rc3`: start-up and shutdown. */
export function phaseCommand(runlevel: Runlevel): Command {
  return withRunOptions(new Command(runlevel))
    .description(runlevel === "rc1" ? "bring up what the rc files load" : "take down what is loaded")
    .option("--timing [file]", "store [{name, starttime, duration}] in the KVS, and in the file")
    .addHelpText("after", `\nExample:\n  sluice modprobe ${runlevel} --dry-run`)
    .action(async (options: RunOptions) => {
      await withCircumstances(options, async (circumstances) => {
        const files = await phaseFiles(runlevel, options.verbose === true);
        const offlineStop = runlevel === "rc3" && circumstances.handle === undefined;
        const loaded = offlineStop ? await loadedAfterStart(options, circumstances) : circumstances.loaded;
        await withPlan({ files, runlevel, loaded }, circumstances, options, (planned, session) =>
          finish(planned, session, circumstances, options),
        );
      });
    });
}

function withRunOptions(command: Command): Command {
  return withJobs(withUnitOptions(withFacts(command)))
    .option("-v, --verbose", "say what is read, and each unit as it starts and ends")
    .option("--dry-run", "print what would be done, and do nothing")
    .option("--show-deps", "print one JSON object: unit to its direct predecessors");
}

/** What would be loaded once rc1 has run: what to assume where a plan to take things down is made without an instance. */
export async function loadedAfterStart(
  options: FactOptions & UnitOptions,
  circumstances: Circumstances,
): Promise<readonly LoadedModule[]> {
  const files = await phaseFiles("rc1", false);
  return withPlan({ files, runlevel: "rc1" }, circumstances, options, ({ steps }) => {
    const loads = steps.flatMap((step) => (step.action === "load" ? [step] : []));
    return loads.map(({ unit, explicit }) => ({ name: unit.name, services: unit.provides, explicit }));
  });
}

async function phaseFiles(runlevel: Runlevel, verbose: boolean): Promise<string[]> {
  const directories = defaultDirectories(process.env);
  const path = rcSearchPath(process.env, directories);
  return rcFiles(path, runlevel, directories.libexecDir, (pattern) => {
    if (verbose) say(`checking ${pattern}`);
  });
}

interface Phase {
  readonly files: readonly string[];
  /** Whose declarative tasks are roots; undefined for `run FILE`. */
  readonly runlevel?: Runlevel;
  readonly loaded?: readonly LoadedModule[];
}

/**
 * Reads the rc files, composes, plans, and runs the function with the plan and the host of the files' code.
 * @throws ExitError after all problems of all files were printed
 */
async function withPlan<T>(
  phase: Phase,
  circumstances: Circumstances,
  options: FactOptions & UnitOptions & { readonly verbose?: boolean },
  run: (planned: Plan, session: RcSession) => T | Promise<T>,
): Promise<T> {
  const { facts, handle } = circumstances;
  const session = new RcSession({
    facts,
    handle,
    onOutput: printOutput,
    onPrint: options.verbose ? say : () => undefined,
  });
  try {
    const onRead = options.verbose ? sayReading : () => undefined;
    const rc = await readRcFiles(phase.files, session, (file) => onRead({ kind: "loading", file }));
    const composed = await tryCompose(options, circumstances, { rc: rc.ok ? rc.value.fragments : [], onRead });
    if (!rc.ok || !composed.ok) {
      const problems = [rc, composed].flatMap((result) => (result.ok ? [] : result.diagnostics));
      throw refused(problems.sort(compareDiagnostics));
    }
    const catalog = composed.value;
    const { load, enabled } = rc.value;
    const request = requestFor(rc.value, catalog, phase.runlevel);
    const origins = new Map(load.map(({ name, origin }) => [name, origin]));
    const loaded = phase.loaded ?? circumstances.loaded;
    const planned = valueOf(plan(catalog, { request, facts, loaded, enabled, origins }));
    session.useCatalog(catalog, planned.picks);
    return await run(planned, session);
  } finally {
    await session.close();
  }
}

/** A start, or a stop if something is to be removed. */
function requestFor(rc: RcReading, catalog: Catalog, runlevel: Runlevel | undefined): PlanRequest {
  const declared = runlevel === undefined ? [] : runlevelRoots(catalog, runlevel);
  const tasks = [...new Set([...rc.tasks, ...declared])];
  const load = rc.load.map(({ name }) => name);
  if (runlevel !== "rc3" && rc.remove.length === 0) return { kind: "start", roots: [...tasks, ...load] };
  if (load.length > 0) throw new ExitError(1, `cannot both load (${load.join(", ")}) and remove modules in one run`);
  if (rc.remove === "all") return { kind: "stop", roots: tasks, remove: "all" };
  return { kind: "stop", roots: tasks, remove: rc.remove.length === 0 ? "none" : rc.remove.map(({ name }) => name) };
}

async function finish(planned: Plan, session: RcSession, circumstances: Circumstances, options: RunOptions): Promise<void> {
  if (options.showDeps) {
    printJson(showDeps(planned));
  } else if (options.dryRun) {
    dryRunLines(planned).forEach(printLine);
  } else {
    const report = await carryOut(planned, circumstances, options, session);
    if (options.timing !== undefined) await storeTiming(report, circumstances, options.timing);
  }
}

/** `[{name, starttime, duration}]` in seconds, at `modprobe.stats` in the KVS when there is one, and in a file. */
async function storeTiming(report: RunReport, { handle }: Circumstances, file: string | true): Promise<void> {
  const timings = report.timings.map(({ unit, startedAtMs, durationMs }) => ({
    name: unit,
    starttime: (report.epochMs + startedAtMs) / 1000,
    duration: durationMs / 1000,
  }));
  if (file !== true) writeFileSync(file, `${JSON.stringify(timings)}\n`);
  if (handle === undefined || !report.done.some(({ unit, action }) => unit === "kvs" && action === "load")) return;
  await handle.rpc("kvs.commit", { ops: [{ key: "modprobe.stats", value: timings }] });
}

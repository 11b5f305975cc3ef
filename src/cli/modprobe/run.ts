import { resolve } from "node:path";
import { Command, Option } from "commander";
import { parseLogLevel, reaches } from "../../broker/log/log-ring.js";
import { dryRunLines, eachDependencies, type Plan } from "../../graph/index.js";
import { idleScriptWarnings, type RcSession } from "../../rc/index.js";
import type { Runlevel } from "../../units/index.js";
import { type PlanningContext, type FactOptions, withPlanningContext, withFacts } from "../facts.js";
import { carryOut, type CarryOutOptions, withJobs, withRunView } from "./carry-out.js";
import {
  type Asked,
  loadedAfterStart,
  type Phase,
  phaseFiles,
  type PlanningOptions,
  withPlan,
} from "./read-and-plan.js";
import { withGroupOption } from "../instance/files-option.js";
import { withStopPlan } from "./phases/stop-plan.js";
import { hereOrOnRanks, type OnRanksOptions, withOnRanks } from "./ranks.js";
import { PREFIX, type UnitOptions, withUnitOptions } from "./units.js";
import { hostPhases } from "./phases/phase-hosting.js";
import { printJsonOf, printLine, sayDiagnostics } from "../terminal/output.js";
import { storeTiming } from "./timing.js";

interface RunOptions extends FactOptions, UnitOptions, CarryOutOptions, OnRanksOptions {
  readonly dryRun?: boolean;
  readonly showDeps?: boolean;
  readonly phase?: boolean;
  /** A file, or true for the KVS alone. */
  readonly timing?: string | true;
}

export function command(): Command {
  return withRunOptions(new Command("run"))
    .argument("<file>", "TypeScript, JavaScript, Python, TOML or YAML")
    .addHelpText("after", "\nExample:\n  sluice modprobe run --show-deps ./maintenance.ts")
    .action(async (file: string, options: RunOptions) => {
      await onRanks(options, (context) => execute("run", { files: [resolve(file)] }, context, options));
    });
}

/** `rc1` and `rc3`: start-up and shutdown. */
export function phaseCommand(runlevel: Runlevel): Command {
  return withGroupOption(withRunOptions(new Command(runlevel)))
    .option("--timing [file]", "store [{name, starttime, duration}] in the KVS, and in the file")
    .addOption(new Option("--phase", "wait for the orders of the broker").hideHelp())
    .addHelpText("after", `\nExample:\n  sluice modprobe ${runlevel} --dry-run`)
    .action((options: RunOptions) =>
      options.phase === true
        ? hostPhases((phase, host) => runPhase(phase, { ...options, host }))
        : runPhase(runlevel, options),
    );
}

async function runPhase(runlevel: Runlevel, options: RunOptions): Promise<void> {
  await onRanks(options, async (context) => {
    const phase: Phase = { files: await phaseFiles(runlevel, context, options), runlevel };
    const isOfflineStop = runlevel === "rc3" && context.handle === undefined;
    const loaded = isOfflineStop ? await loadedAfterStart(context, options) : context.loaded;
    await execute(runlevel, { ...phase, loaded }, context, options);
  });
}

function withRunOptions(command: Command): Command {
  return withOnRanks(withJobs(withUnitOptions(withFacts(command))))
    .option("-v, --verbose", "print the files that Sluice reads, and each unit at its start and end")
    .option("--dry-run", "print the steps without running them")
    .option(
      "--show-deps",
      "print one JSON object: unit to its direct predecessors; with -r and several ranks, by rank",
    );
}

/**
 * Runs here, or on the ranks that `-r` names; with `--json`, each rank prints one JSON object of its dependencies.
 */
function onRanks(options: RunOptions, run: (context: PlanningContext) => Promise<void>): Promise<void> {
  return hereOrOnRanks(options, () => withPlanningContext(options, run), options.showDeps ? "json" : "lines");
}

async function execute(
  command: string,
  phase: Phase,
  context: PlanningContext,
  options: RunOptions,
): Promise<void> {
  if (options.showDeps === true || options.dryRun === true) {
    // The whole start-up, as without an instance, regardless of the running modules.
    const whole = phase.runlevel === "rc1" ? { ...phase, loaded: [] } : phase;
    await withAnyPlan(whole, context, { ...options, planOnly: true }, (planned) => {
      if (options.showDeps) printJsonOf(eachDependencies(planned));
      else dryRunLines(planned).forEach(printLine);
    });
    return;
  }
  if (phase.runlevel !== undefined) {
    sayDiagnostics(idleScriptWarnings(process.env, phase.runlevel, phase.files), PREFIX);
  }
  const log = options.host && { isOnStderr: showsInfo(context.facts.attrs) };
  await withRunView(command, { ...options, log }, (view) =>
    withAnyPlan(phase, context, { ...options, view }, (planned, session, { digests }) =>
      carryOut(planned, { command, context, view, session, digests }, options, async (report) => {
        if (options.timing === undefined) return;
        // The KVS of Flux has another format.
        const kept = context.fluxUri === undefined ? context : { handle: undefined };
        await storeTiming(report, kept, options.timing);
      }),
    ),
  );
}

/** Whether the broker prints the lines of its log at the level of tasks. */
function showsInfo(attributes: Readonly<Record<string, string>>): boolean {
  const threshold = parseLogLevel(attributes["log-stderr-level"] ?? "");
  return threshold !== undefined && reaches("info", threshold);
}

/** The plan for the stop of a live instance comes from the broker's records, and needs no valid files. */
function withAnyPlan(
  phase: Phase,
  context: PlanningContext,
  options: PlanningOptions,
  run: (planned: Plan, session: RcSession, asked: Asked) => void | Promise<void>,
): Promise<void> {
  const { handle } = context;
  if (phase.runlevel !== "rc3" || handle === undefined || context.fluxUri !== undefined) {
    return withPlan(phase, context, options, run);
  }
  return withStopPlan(phase, { ...context, handle }, options, run);
}

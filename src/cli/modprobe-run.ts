import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { dryRunLines, type Plan, showDeps } from "../graph/index.js";
import type { RcSession } from "../rc/index.js";
import type { RunReport } from "../run/index.js";
import type { Runlevel } from "../units/index.js";
import { type Circumstances, type FactOptions, withCircumstances, withFacts } from "./facts.js";
import { carryOut, type CarryOutOptions, withJobs } from "./modprobe-carry-out.js";
import { loadedAfterStart, type Phase, phaseFiles, withPlan } from "./modprobe-plan.js";
import { hereOrOnRanks, type OnRanksOptions, withOnRanks } from "./modprobe-ranks.js";
import { type UnitOptions, withUnitOptions } from "./modprobe-units.js";
import { printJson, printLine } from "./output.js";

interface RunOptions extends FactOptions, UnitOptions, CarryOutOptions, OnRanksOptions {
  readonly dryRun?: boolean;
  readonly showDeps?: boolean;
  /** A file, or true for the KVS alone. */
  readonly timing?: string | true;
}

export function command(): Command {
  return withRunOptions(new Command("run"))
    .argument("<file>", "TypeScript, JavaScript, Python, TOML or YAML")
    .addHelpText("after", "\nExample:\n  sluice modprobe run --show-deps ./maintenance.ts")
    .action(async (file: string, options: RunOptions) => {
      await onRanks(options, (circumstances) => execute({ files: [resolve(file)] }, circumstances, options));
    });
}

/** `rc1` and `rc3`: start-up and shutdown. */
export function phaseCommand(runlevel: Runlevel): Command {
  return withRunOptions(new Command(runlevel))
    .option("--timing [file]", "store [{name, starttime, duration}] in the KVS, and in the file")
    .addHelpText("after", `\nExample:\n  sluice modprobe ${runlevel} --dry-run`)
    .action(async (options: RunOptions) => {
      await onRanks(options, async (circumstances) => {
        const phase: Phase = { files: await phaseFiles(runlevel, options.verbose), runlevel };
        const isOfflineStop = runlevel === "rc3" && circumstances.handle === undefined;
        const loaded = isOfflineStop ? await loadedAfterStart(circumstances, options) : circumstances.loaded;
        await execute({ ...phase, loaded }, circumstances, options);
      });
    });
}

function withRunOptions(command: Command): Command {
  return withOnRanks(withJobs(withUnitOptions(withFacts(command))))
    .option("-v, --verbose", "say what is read, and each unit as it starts and ends")
    .option("--dry-run", "print what would be done, and do nothing")
    .option(
      "--show-deps",
      "print one JSON object: unit to its direct predecessors; with -r and several ranks, by rank",
    );
}

/** Here, or on the ranks that `-r` names; each prints one JSON object if it is to show dependencies. */
function onRanks(options: RunOptions, run: (circumstances: Circumstances) => Promise<void>): Promise<void> {
  return hereOrOnRanks(options, () => withCircumstances(options, run), options.showDeps ? "json" : "lines");
}

function execute(phase: Phase, circumstances: Circumstances, options: RunOptions): Promise<void> {
  const planOnly = options.showDeps === true || options.dryRun === true;
  return withPlan(phase, circumstances, { ...options, planOnly }, (planned, session) => {
    if (!planOnly) return carryOutTimed(planned, session, circumstances, options);
    if (options.showDeps) printJson(showDeps(planned));
    else dryRunLines(planned).forEach(printLine);
    return Promise.resolve();
  });
}

async function carryOutTimed(
  planned: Plan,
  session: RcSession,
  circumstances: Circumstances,
  options: RunOptions,
): Promise<void> {
  const report = await carryOut(planned, circumstances, options, session);
  if (options.timing !== undefined) await storeTiming(report, circumstances, options.timing);
}

/** `[{name, starttime, duration}]` in seconds, at `modprobe.stats` in the KVS when there is one, and in a file. */
async function storeTiming(report: RunReport, { handle }: Circumstances, file: string | true): Promise<void> {
  const timings = report.timings.map(({ unit, startedAtMs, durationMs }) => ({
    name: unit,
    starttime: (report.epochMs + startedAtMs) / 1000,
    duration: durationMs / 1000,
  }));
  if (file !== true) writeFileSync(file, `${JSON.stringify(timings)}\n`);
  if (handle === undefined || !report.done.some(({ unit, action }) => unit === "kvs" && action === "load"))
    return;
  await handle.rpc("kvs.commit", { ops: [{ key: "modprobe.stats", value: timings }] });
}

import { Command } from "commander";
import { differenceText, diffLocks, dryRunLines, type RankedPlan, reasonText } from "../graph/index.js";
import { type FactOptions, withCircumstances, withFacts } from "./facts.js";
import { hashOf, lockFileText, readLock } from "./lock-file.js";
import { type UnitOptions, withUnitOptions } from "./modprobe-units.js";
import { ExitError, printLine } from "./output.js";
import { lockPlans } from "./plan-lock.js";
import { writeResult } from "./write-file.js";

interface PlanOptions extends FactOptions, UnitOptions {
  readonly json?: boolean;
  readonly lock?: string;
  readonly checkLock?: string;
}

export function command(): Command {
  return withUnitOptions(withFacts(new Command("plan")))
    .option("--json", "the canonical plan with its hash, as --lock writes it")
    .option("--lock <file>", "write the canonical plan there")
    .option(
      "--check-lock <file>",
      "exit 1 if the plan is not the one that is locked there, and say what differs",
    )
    .addHelpText(
      "after",
      "\nExample:\n  sluice modprobe plan --size 1024 --lock plan.lock\n  sluice modprobe plan --check-lock plan.lock",
    )
    .action(async (options: PlanOptions) => {
      if (options.checkLock === undefined) await show(options);
      else await check(options.checkLock, options);
    });
}

async function show(options: PlanOptions): Promise<void> {
  await withCircumstances(options, async (circumstances) => {
    const { plans, lock } = await lockPlans(circumstances, options, options.rank ?? null);
    if (options.lock !== undefined) await writeResult(options.lock, lockFileText(lock));
    if (options.json) process.stdout.write(lockFileText(lock));
    else if (options.lock === undefined) {
      printLine(`${hashOf(lock)}, size ${lock.size}`);
      plans.flatMap(classLines).forEach(printLine);
    }
  });
}

function classLines({ ranks, plan }: RankedPlan): string[] {
  const leftOut = Array.from(plan.leftOut, ([unit, reason]) => `    ${unit}: ${reasonText(reason)}`);
  return [
    `ranks ${ranks.text}:`,
    ...dryRunLines(plan).map((line) => `  ${line}`),
    ...(leftOut.length === 0 ? [] : ["  left out:", ...leftOut]),
  ];
}

/** Plans for the size and rank of the lock, unless flags say otherwise. */
async function check(path: string, options: PlanOptions): Promise<void> {
  const locked = await readLock(path);
  const rank = options.rank ?? locked.rank;
  const facts = { size: locked.size, ...options, ...(rank !== null && { rank }) };
  await withCircumstances(facts, async (circumstances) => {
    const { lock } = await lockPlans(circumstances, options, rank);
    if (hashOf(lock) === hashOf(locked)) return;
    const differences = diffLocks(locked, lock);
    if (differences.length === 0) printLine("what is left out, and why, has changed");
    for (const difference of differences) printLine(differenceText(difference));
    throw new ExitError(1, `the plan is not the one locked in ${path}`);
  });
}

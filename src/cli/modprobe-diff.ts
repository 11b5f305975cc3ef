import { Command } from "commander";
import { differenceText, diffLocks, type PlanLock } from "../graph/index.js";
import { collect, wholeNumber } from "./arguments.js";
import { configInputs } from "./config-inputs.js";
import { type FactOptions, withCircumstances, withFacts } from "./facts.js";
import { isLockFile, readLock } from "./lock-file.js";
import { type UnitOptions, withUnitOptions } from "./modprobe-units.js";
import { printJson, printLine, UsageError } from "./output.js";
import { lockPlans } from "./plan-lock.js";

interface DiffOptions extends Omit<FactOptions, "rank">, UnitOptions {
  readonly rank?: readonly number[];
  readonly json?: boolean;
}

export function command(): Command {
  const diff = withUnitOptions(withFacts(new Command("diff")));
  // Elsewhere the last rank counts; here there are two of them.
  diff.options.find((option) => option.long === "--rank")?.argParser(collect(wholeNumber));
  return diff
    .argument("[a]", "a lock, a rank, or a configuration file or directory")
    .argument("[b]", "another one")
    .option("--json", "an array of {ranks, change}")
    .addHelpText(
      "after",
      "\nExample:\n  sluice modprobe diff plan.lock new.lock\n  sluice modprobe diff 0 1 --size 16",
    )
    .action(async (a: string | undefined, b: string | undefined, options: DiffOptions) => {
      const { rank: ranks, ...common } = options;
      const sides = [a, b].filter((side) => side !== undefined);
      const [before, after, third] = [...sides, ...(ranks ?? []).map(String)];
      if (before === undefined || after === undefined || third !== undefined) {
        throw new UsageError("Usage: sluice modprobe diff A B");
      }
      const differences = diffLocks(await lockFor(before, common), await lockFor(after, common));
      if (options.json) printJson(differences);
      else for (const difference of differences) printLine(differenceText(difference));
    });
}

/** A lock as it was written; or what the plan is on a rank, or with a configuration over the other ones. */
async function lockFor(side: string, options: Omit<DiffOptions, "rank">): Promise<PlanLock> {
  if (/^\d+$/.test(side)) {
    const rank = Number(side);
    const size = Math.max(options.size ?? 0, rank + 1);
    return planned({ ...options, rank, size }, rank, options);
  }
  if (await isLockFile(side)) return readLock(side);
  return planned(
    { ...options, conf: [...configInputs(options), { kind: "path", path: side }] },
    null,
    options,
  );
}

function planned(facts: FactOptions, rank: number | null, options: UnitOptions): Promise<PlanLock> {
  return withCircumstances(
    facts,
    async (circumstances) => (await lockPlans(circumstances, options, rank)).lock,
  );
}

import { Command } from "commander";
import { causeToJson } from "../../graph/index.js";
import { collect, wholeNumber } from "../arguments.js";
import { configInputs } from "../config-inputs.js";
import { type FactOptions, withPlanningContext, withFacts } from "../facts.js";
import { isLockFile, readLock } from "./lock-file.js";
import { type UnitOptions, withStartOptions } from "./units.js";
import { printJson, printLine, UsageError } from "../terminal/output.js";
import {
  differenceLines,
  diffSides,
  lockPlans,
  type LockSide,
  plannedSide,
  writtenSide,
} from "./plan-lock.js";
import { type RankFactOptions, withRankFacts } from "../rank-facts.js";

interface DiffOptions extends Omit<FactOptions, "rank">, UnitOptions, RankFactOptions {
  readonly rank?: readonly number[];
  readonly json?: boolean;
}

export function command(): Command {
  const diff = withRankFacts(withStartOptions(withFacts(new Command("diff"))));
  // Elsewhere the last rank counts; here there are two of them.
  diff.options.find((option) => option.long === "--rank")?.argParser(collect(wholeNumber));
  return diff
    .argument("[a]", "a lock, a rank, or a configuration file or directory")
    .argument("[b]", "another lock, rank or path")
    .option("--json", "an array of {ranks, change, causes}")
    .addHelpText(
      "after",
      "\nExample:\n  sluice modprobe diff plan.lock new.lock\n  sluice modprobe diff 0 1 --size 16",
    )
    .action(async (a: string | undefined, b: string | undefined, options: DiffOptions) => {
      const { rank: ranks, ...common } = options;
      const sides = [a, b].filter((side) => side !== undefined);
      const [before, after, third] = [...sides, ...(ranks ?? []).map(String)];
      if (before === undefined || after === undefined || third !== undefined) {
        throw new UsageError("diff takes two locks, ranks or configurations");
      }
      const left = await sideOf(before, common);
      const right = await sideOf(after, common);
      const found = diffSides(left, right);
      if (options.json) {
        printJson(
          found.map(({ causes, ...difference }) => ({ ...difference, causes: causes.map(causeToJson) })),
        );
        return;
      }
      for (const line of found.flatMap(differenceLines)) printLine(line);
    });
}

/**
 * Reads a lock as it was written. Otherwise works out the plan of a rank, or the plan with a configuration over the
 * other ones.
 */
async function sideOf(text: string, options: Omit<DiffOptions, "rank">): Promise<LockSide> {
  if (/^\d+$/.test(text)) {
    const rank = Number(text);
    const size = options.size ?? rank + 1;
    return planned({ ...options, rank, size }, rank, options);
  }
  if (isLockFile(text)) return writtenSide(readLock(text));
  return planned(
    { ...options, conf: [...configInputs(options), { kind: "path", path: text }] },
    null,
    options,
  );
}

function planned(
  facts: FactOptions,
  rank: number | null,
  options: UnitOptions & RankFactOptions,
): Promise<LockSide> {
  return withPlanningContext(facts, async (context) =>
    plannedSide(await lockPlans(context, options, rank), context, facts),
  );
}

import { Command } from "commander";
import { headlineOf, headlineText, learn, recordPlan, type RunRecord } from "../../../analysis/index.js";
import { type FactOptions, type PlanningContext, withFacts, withPlanningContext } from "../../facts.js";
import { ExitError, printJson, printLine } from "../../terminal/output.js";
import { writeResult } from "../../write-file.js";
import { headlineJson } from "../analyze-json.js";
import { phaseFiles, withPlan } from "../read-and-plan.js";
import { type UnitOptions, withUnitOptions } from "../units.js";
import { adviceOn, adviceJson, adviceLines, fragmentLines } from "./learn-advice.js";
import { findRecord, type RecordedRunOptions, withRunChoice } from "./recorded-run.js";

interface LearnOptions extends FactOptions, UnitOptions, RecordedRunOptions {
  readonly json?: boolean;
  readonly write?: string;
}

export function command(): Command {
  return withRunChoice(withUnitOptions(withFacts(new Command("learn"))))
    .option("--json", "one JSON object: {run, isComplete, missing, doubtful, unused}")
    .option("--write <file>", "write a fragment with the missing relations, for a directory modprobe.d")
    .addHelpText(
      "after",
      "\nExamples:\n  sluice modprobe learn\n  sluice modprobe learn --run 2 --write learned.toml",
    )
    .action(async (options: LearnOptions) => {
      const record = await findRecord(options);
      // This reads the files for the rank of the record.
      await withPlanningContext({ ...options, rank: record.rank }, (context) =>
        teach(record, context, options),
      );
    });
}

async function teach(record: RunRecord, context: PlanningContext, options: LearnOptions): Promise<void> {
  const phase = { files: await phaseFiles("rc1", context, options), runlevel: "rc1", loaded: [] } as const;
  await withPlan(phase, context, { ...options, planOnly: true }, async (plan) => {
    const lesson = learn(record, recordPlan(plan));
    if (lesson === undefined) throw new ExitError(1, `${headlineText(headlineOf(record))}: ${NO_MESSAGES}`);
    const advice = adviceOn(lesson, plan.catalog);
    if (options.write !== undefined) {
      await writeResult(
        options.write,
        fragmentLines(advice, headlineText(headlineOf(record))).join("\n") + "\n",
      );
    }
    if (options.json === true) printJson({ run: headlineJson(headlineOf(record)), ...adviceJson(advice) });
    else if (options.write !== "-") {
      printLine(headlineText(headlineOf(record)));
      adviceLines(advice).forEach(printLine);
    }
  });
}

const NO_MESSAGES =
  "the run has no record of messages\n  hint: rc1, run and load record messages inside an instance";

import { Command } from "commander";
import { dryRunLines, plan } from "../../graph/index.js";
import { type FactOptions, withPlanningContext, withFacts } from "../facts.js";
import { carryOut, type CarryOutOptions, withJobs, withRunView } from "./carry-out.js";
import { composeFor, type UnitOptions, valueOf, withUnitOptions } from "./units.js";
import { hereOrOnRanks, type OnRanksOptions, withOnRanks } from "./ranks.js";
import { printLine, say } from "../terminal/output.js";

interface LoadOptions extends FactOptions, UnitOptions, CarryOutOptions, OnRanksOptions {
  readonly dryRun?: boolean;
}

export function command(): Command {
  return withOnRanks(withJobs(withUnitOptions(withFacts(new Command("load")))))
    .argument("<unit...>", "units or services")
    .option("--dry-run", "print what would be done, and do nothing")
    .option("-v, --verbose", "say what happens")
    .addHelpText(
      "after",
      "\nExample:\n  sluice modprobe load --dry-run kvs\n  sluice modprobe load -r 1-3 kvs",
    )
    .action((modules: readonly string[], options: LoadOptions) =>
      hereOrOnRanks(options, () =>
        withPlanningContext(options, async (context) => {
          // An operator who asks for a module by name is not held back by what the environment disables.
          const catalog = await composeFor(options, context, { disableFromEnv: false });
          const { facts, loaded } = context;
          const loading = valueOf(plan(catalog, { request: { kind: "load", modules }, facts, loaded }));
          const isDone = loading.steps.length === 0;
          if (isDone && !options.quiet) say("All modules and their dependencies are already loaded");
          if (options.dryRun) dryRunLines(loading).forEach(printLine);
          else if (!isDone || options.json) {
            await withRunView("load", options, (view) =>
              carryOut(loading, { command: "load", context, view }, options),
            );
          }
        }),
      ),
    );
}

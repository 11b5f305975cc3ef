import { Command } from "commander";
import { dryRunLines, type Plan, plan } from "../../graph/index.js";
import type { Catalog } from "../../units/index.js";
import { type FactOptions, withFacts, withLiveContext } from "../facts.js";
import { carryOut, type CarryOutOptions, withJobs, withRunView } from "./carry-out.js";
import { withVerifiedLibraries } from "./libraries.js";
import { composeFor, type UnitOptions, valueOf, withUnitOptions } from "./units.js";
import { hereOrOnRanks, type OnRanksOptions, withOnRanks } from "./ranks.js";
import { printLine, say } from "../terminal/output.js";

interface LoadOptions extends FactOptions, UnitOptions, CarryOutOptions, OnRanksOptions {
  readonly dryRun?: boolean;
}

export function command(): Command {
  return withOnRanks(withJobs(withUnitOptions(withFacts(new Command("load")))))
    .argument("<unit...>", "units or services, or @GROUP for the modules of a group")
    .option("--dry-run", "print the steps without running them")
    .option("-v, --verbose", "show each step")
    .addHelpText(
      "after",
      "\nExample:\n  sluice modprobe load --dry-run kvs\n  sluice modprobe load -r 1-3 kvs",
    )
    .action((modules: readonly string[], options: LoadOptions) =>
      hereOrOnRanks(options, () =>
        withLiveContext(options, async (context) => {
          // A load by name also loads modules that the environment has disabled.
          const catalog = await composeFor(options, context, { disableFromEnv: false });
          const { facts, loaded } = context;
          const planOf = (from: Catalog): Plan =>
            valueOf(plan(from, { request: { kind: "load", modules }, facts, loaded }));
          const loading = planOf(catalog);
          const isDone = loading.steps.length === 0;
          if (isDone && !options.quiet) say("All modules and their dependencies are already loaded");
          if (options.dryRun) dryRunLines(loading).forEach(printLine);
          else if (!isDone || options.json) {
            const { plan: verified, digests } = await withVerifiedLibraries(
              loading,
              context,
              async (refused) =>
                planOf(await composeFor({ ...options, refused }, context, { disableFromEnv: false })),
            );
            await withRunView("load", options, (view) =>
              carryOut(verified, { command: "load", context, view, digests }, options),
            );
          }
        }),
      ),
    );
}

import { Command } from "commander";
import { dryRunLines, plan } from "../../graph/index.js";
import { type FactOptions, withFacts, withLiveContext } from "../facts.js";
import { carryOut, type CarryOutOptions, refuseWithoutInstance, withJobs, withRunView } from "./carry-out.js";
import { loadedAfterStart } from "./read-and-plan.js";
import { hereOrOnRanks, type OnRanksOptions, withOnRanks } from "./ranks.js";
import { composeFor, type UnitOptions, valueOf, withUnitOptions } from "./units.js";
import { printLine } from "../terminal/output.js";

interface RemoveOptions extends FactOptions, UnitOptions, CarryOutOptions, OnRanksOptions {
  readonly dryRun?: boolean;
  readonly recursive?: boolean;
}

export function command(): Command {
  // No text may follow the dots: commander would then take a single name, and treat its letters as names.
  return withOnRanks(withJobs(withUnitOptions(withFacts(new Command("remove")))))
    .argument("<module...>", "loaded units or services, @GROUP for the loaded modules of a group, or all")
    .option("--dry-run", "print the steps without running them; without an instance, after an rc1")
    .option("--recursive", "also remove dependent units")
    .option("-v, --verbose", "show each step")
    .addHelpText("after", "\nExample:\n  sluice modprobe remove --recursive --dry-run kvs")
    .action((names: readonly string[], options: RemoveOptions) =>
      hereOrOnRanks(options, () =>
        withLiveContext(options, async (context) => {
          // Without an instance nothing is loaded, so that no module can be "still in use".
          if (!options.dryRun) refuseWithoutInstance(context, "remove modules from");
          // The catalog needs no rc files, because a removal depends on the loaded modules.
          const catalog = await composeFor(options, context, { disableFromEnv: "known" });
          const { facts, handle } = context;
          const loaded = handle === undefined ? await loadedAfterStart(context, options) : context.loaded;
          const modules = names.length === 1 && names[0] === "all" ? "all" : names;
          const request = { kind: "remove", modules, recursive: options.recursive === true } as const;
          const removal = valueOf(plan(catalog, { request, facts, loaded }));
          if (options.dryRun) dryRunLines(removal).forEach(printLine);
          else {
            await withRunView("remove", options, (view) =>
              carryOut(removal, { command: "remove", context, view }, options),
            );
          }
        }),
      ),
    );
}

import { Command } from "commander";
import { didYouMean } from "../../errors/index.js";
import { catalogToToml } from "../../units/index.js";
import { type FactOptions, withPlanningContext, withFacts } from "../facts.js";
import { composeFor, type UnitOptions, withUnitOptions } from "./units.js";
import { ExitError, printLine } from "../terminal/output.js";

export function command(): Command {
  return withUnitOptions(withFacts(new Command("cat")))
    .argument("[unit]", "only this unit, or the providers of this service")
    .addHelpText("after", "\nExample:\n  sluice modprobe cat content-backing")
    .action(async (name: string | undefined, options: FactOptions & UnitOptions) => {
      await withPlanningContext(options, async (context) => {
        const catalog = await composeFor(options, context);
        if (name === undefined) {
          catalogToToml(catalog).forEach(printLine);
          return;
        }
        const unit = catalog.byName.get(name);
        const units = unit === undefined ? catalog.providers.get(name) : [unit];
        if (units === undefined) {
          const hint = didYouMean(name, catalog.providers.keys());
          throw new ExitError(1, `no such task or module ${name}${hint === undefined ? "" : `; ${hint}`}`);
        }
        catalogToToml(catalog, units).forEach(printLine);
      });
    });
}

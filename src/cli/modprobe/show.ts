import { Command } from "commander";
import { didYouMean } from "../../errors/index.js";
import type { Facts } from "../../graph/index.js";
import { type Catalog, type Unit, unitToJson } from "../../units/index.js";
import { type FactOptions, withPlanningContext, withFacts } from "../facts.js";
import { composeFor, type UnitOptions, withUnitOptions } from "./units.js";
import { ExitError, printJson } from "../terminal/output.js";

export function command(): Command {
  return withUnitOptions(withFacts(new Command("show")))
    .argument("<unit>", "unit, or service, which stands for the provider that a plan would pick")
    .addHelpText("after", "\nExample:\n  sluice modprobe show content-sqlite")
    .action(async (name: string, options: FactOptions & UnitOptions) => {
      await withPlanningContext(options, async (context) => {
        const catalog = await composeFor(options, context);
        const unit = catalog.byName.get(name) ?? (await pickOf(name, catalog, context.facts));
        printJson(unitToJson(unit));
      });
    });
}

/** A service's provider. The planner is loaded only for this. */
async function pickOf(name: string, catalog: Catalog, facts: Facts): Promise<Unit> {
  const { plan } = await import("../../graph/index.js");
  const planned = plan(catalog, { roots: [name], facts });
  const unit = planned.ok ? planned.value.picks.get(name) : catalog.providers.get(name)?.at(-1);
  if (unit !== undefined) return unit;
  const hint = didYouMean(name, catalog.providers.keys());
  throw new ExitError(1, `no such task or module ${name}${hint === undefined ? "" : `; ${hint}`}`);
}

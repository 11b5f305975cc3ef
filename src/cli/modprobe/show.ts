import { Command } from "commander";
import type { Facts } from "../../graph/index.js";
import { type Catalog, type Unit, unitToJson, withGroups } from "../../units/index.js";
import { type FactOptions, withPlanningContext, withFacts } from "../facts.js";
import { composeFor, type UnitOptions, withUnitOptions } from "./units.js";
import { ExitError, printJson } from "../terminal/output.js";

export function command(): Command {
  return withUnitOptions(withFacts(new Command("show")))
    .argument(
      "<unit>",
      "unit, service (which means the provider that a plan would pick), or @GROUP for the units of a group",
    )
    .addHelpText("after", "\nExample:\n  sluice modprobe show content-sqlite")
    .action(async (name: string, options: FactOptions & UnitOptions) => {
      await withPlanningContext(options, async (context) => {
        const catalog = await composeFor(options, context);
        for (const each of withGroups(catalog, [name])) {
          const unit = catalog.byName.get(each) ?? (await pickOf(each, catalog, context.facts));
          printJson(unitToJson(unit));
        }
      });
    });
}

/** A service's provider. The import is here, because only this needs the planner. */
async function pickOf(name: string, catalog: Catalog, facts: Facts): Promise<Unit> {
  const { plan, unknownNameText } = await import("../../graph/index.js");
  const planned = plan(catalog, { roots: [name], facts });
  const unit = planned.ok ? planned.value.picks.get(name) : catalog.providers.get(name)?.at(-1);
  if (unit !== undefined) return unit;
  throw new ExitError(1, unknownNameText(catalog, name));
}

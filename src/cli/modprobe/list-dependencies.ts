import { Command } from "commander";
import { dependencyTree, treeLines } from "../../graph/index.js";
import { withGroups } from "../../units/index.js";
import { type FactOptions, withPlanningContext, withFacts } from "../facts.js";
import { composeFor, type UnitOptions, valueOf, withUnitOptions } from "./units.js";
import { printLine } from "../terminal/output.js";

interface ListOptions extends FactOptions, UnitOptions {
  readonly full?: boolean;
}

export function command(): Command {
  return withUnitOptions(withFacts(new Command("list-dependencies")))
    .argument("<unit>", "unit or service, or @GROUP for the units of a group")
    .option("-f, --full", "show every occurrence of a unit, not only the shallowest one")
    .addHelpText(
      "after",
      "\nExample:\n  sluice modprobe list-dependencies -S content-backing=content-files kvs",
    )
    .action(async (name: string, options: ListOptions) => {
      await withPlanningContext(options, async (context) => {
        const catalog = await composeFor(options, context);
        for (const each of withGroups(catalog, [name])) {
          const tree = valueOf(dependencyTree(catalog, context.facts, each, { full: options.full === true }));
          for (const line of treeLines(tree)) printLine(line);
        }
      });
    });
}

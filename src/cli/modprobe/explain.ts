import { Command } from "commander";
import type { UnitLibraries } from "../../broker/index.js";
import { type Unit, withGroups } from "../../units/index.js";
import type { Origin } from "../../errors/index.js";
import {
  accountFor,
  accountLines,
  accountToJson,
  type FactName,
  unknownNameText,
} from "../../graph/index.js";
import { originOfFact } from "../fact-origins.js";
import { type FactOptions, withPlanningContext, withFacts } from "../facts.js";
import { refusalText } from "../../rc/index.js";
import { checkLibrariesOf } from "./libraries.js";
import { phaseFiles, withPlan } from "./read-and-plan.js";
import { PREFIX, type UnitOptions, withStartOptions } from "./units.js";
import { colouredAccountLine, coloursFor } from "../terminal/colours.js";
import { ExitError, printJson, printLine, printStyled, say } from "../terminal/output.js";

interface ExplainOptions extends FactOptions, UnitOptions {
  readonly json?: boolean;
}

export function command(): Command {
  return withStartOptions(withFacts(new Command("explain")))
    .argument(
      "<unit...>",
      "units, services (which mean their picked providers), or @GROUP for the units of a group",
    )
    .option("--json", "one JSON object for each name, as in docs/explain.md")
    .addHelpText("after", "\nExample:\n  sluice modprobe explain --rank 3 --size 16 cron content-backing")
    .action(async (names: readonly string[], options: ExplainOptions) => {
      await withPlanningContext(options, async (context) => {
        // Explains a start: running units are not a cause.
        const phase = {
          files: await phaseFiles("rc1", context, options),
          runlevel: "rc1",
          loaded: [],
        } as const;
        await withPlan(phase, context, { ...options, planOnly: true }, async (plan, _session, asked) => {
          const factOrigin = (fact: FactName): Origin => originOfFact(fact, context, options);
          let libraries: Promise<UnitLibraries | undefined> | undefined;
          // This reads libraries only for a unit that comes from one.
          const refusals = async (unit: Unit | undefined): Promise<string[]> => {
            if (unit?.kind !== "module" || !unit.module.includes("#")) return [];
            const { refused = [] } = (await (libraries ??= checkLibrariesOf(plan, context))) ?? {};
            return refused.filter(({ units }) => units.includes(unit.name)).map(refusalText);
          };
          let unknown = 0;
          for (const name of withGroups(plan.catalog, names)) {
            const account = accountFor({ plan, ...asked, factOrigin }, name);
            if (account === undefined) {
              unknown += 1;
              say(`${PREFIX}: ${unknownNameText(plan.catalog, name)}`);
              continue;
            }
            const reasons = await refusals(plan.catalog.byName.get(account.unit));
            if (options.json) {
              const own = reasons.length === 0 ? {} : { refused: reasons };
              printJson({ ...accountToJson(account, plan.catalog), ...own });
            } else {
              const colours = coloursFor(process.stdout);
              for (const line of accountLines(account, plan.catalog)) {
                printStyled(colouredAccountLine(line, colours));
              }
              if (reasons.length > 0) printLine("  refused by the check of its library:");
              for (const reason of reasons) printLine(`    ${reason}`);
            }
          }
          if (unknown > 0) throw new ExitError(1);
        });
      });
    });
}

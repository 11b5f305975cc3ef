import { Command, Option } from "commander";
import { didYouMean } from "../errors/index.js";
import { type Picture, pictureOf, pictureToDot, pictureToMermaid } from "../graph/index.js";
import { type FactOptions, withCircumstances, withFacts } from "./facts.js";
import { phaseFiles, withPlan } from "./modprobe-plan.js";
import { type UnitOptions, withUnitOptions } from "./modprobe-units.js";
import { ExitError, printJson, printLine } from "./output.js";

interface GraphOptions extends FactOptions, UnitOptions {
  readonly format: "dot" | "mermaid" | "json";
}

export function command(): Command {
  return withUnitOptions(withFacts(new Command("graph")))
    .argument("[name]", "only this unit or service and what is one relation away")
    .addOption(
      new Option("--format <format>", "of the picture").choices(["dot", "mermaid", "json"]).default("dot"),
    )
    .addHelpText("after", "\nExample:\n  sluice modprobe graph kvs | dot -Tsvg -o kvs.svg")
    .action(async (name: string | undefined, options: GraphOptions) => {
      await withCircumstances(options, async (circumstances) => {
        const phase = { files: await phaseFiles("rc1"), runlevel: "rc1", loaded: [] } as const;
        await withPlan(phase, circumstances, { ...options, planOnly: true }, (plan) => {
          const picture = pictureOf(plan, name);
          if (picture !== undefined) print(picture, options.format);
          else {
            const hint = didYouMean(name ?? "", plan.catalog.providers.keys());
            throw new ExitError(
              1,
              `no such task or module ${name ?? ""}${hint === undefined ? "" : `; ${hint}`}`,
            );
          }
        });
      });
    });
}

function print(picture: Picture, format: GraphOptions["format"]): void {
  switch (format) {
    case "dot":
      pictureToDot(picture).forEach(printLine);
      return;
    case "mermaid":
      pictureToMermaid(picture).forEach(printLine);
      return;
    case "json":
      printJson(picture);
      return;
  }
}

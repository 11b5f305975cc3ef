import { Command } from "commander";
import { UsageError } from "./terminal/output.js";
import { onRanks, type RankOptions, withRanks } from "./ranks/ranks.js";

interface SetattrOptions extends RankOptions {
  readonly expunge?: boolean;
}

export function command(): Command {
  return withRanks(new Command("setattr"))
    .argument("<attribute>", "attribute; created if it is new")
    .argument("[value]", "a string")
    .option("-e, --expunge", "remove the attribute, unless the broker defines it")
    .addHelpText(
      "after",
      "\nExample:\n  sluice setattr broker.module-nopanic 1\n  sluice setattr -r all site.owner night-shift",
    )
    .action(async (name: string, value: string | undefined, options: SetattrOptions) => {
      if ((value === undefined) !== (options.expunge === true)) {
        throw new UsageError("give either a value or --expunge");
      }
      await onRanks(options, (handle, rank) =>
        value === undefined
          ? handle.rpc("attr.rm", { name }, { rank })
          : handle.rpc("attr.set", { name, value }, { rank }),
      );
    });
}

import { Command } from "commander";
import { UsageError } from "./output.js";
import { withInstance, withUri } from "./session.js";

interface SetattrOptions {
  readonly uri?: string;
  readonly expunge?: boolean;
}

export function command(): Command {
  return withUri(new Command("setattr"))
    .argument("<attribute>", "attribute; made if it is new")
    .argument("[value]", "a string")
    .option("-e, --expunge", "remove it; those of the broker itself stay")
    .addHelpText("after", "\nExample:\n  sluice setattr broker.module-nopanic 1")
    .action(async (name: string, value: string | undefined, options: SetattrOptions) => {
      if ((value === undefined) !== (options.expunge === true)) {
        throw new UsageError("give either a value or --expunge");
      }
      await withInstance(options, (handle) =>
        value === undefined ? handle.rpc("attr.rm", { name }) : handle.rpc("attr.set", { name, value }),
      );
    });
}

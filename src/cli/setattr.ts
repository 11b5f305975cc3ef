import { Command } from "commander";
import { withInstance, withUri } from "./session.js";

export function command(): Command {
  return withUri(new Command("setattr"))
    .argument("<attribute>", "attribute; made if it is new")
    .argument("<value>")
    .addHelpText("after", "\nExample:\n  sluice setattr broker.module-nopanic 1")
    .action(async (name: string, value: string, options: { readonly uri?: string }) => {
      await withInstance(options, async (handle) => {
        await handle.rpc("attr.set", { name, value });
      });
    });
}

import { Command } from "commander";
import { fields } from "../messages/index.js";
import { printLine } from "./output.js";
import { withInstance, withUri } from "./session.js";

export function command(): Command {
  return withUri(new Command("getattr"))
    .argument("<attribute>", "attribute")
    .addHelpText("after", "\nExample:\n  sluice getattr size")
    .action(async (name: string, options: { readonly uri?: string }) => {
      await withInstance(options, async (handle) => {
        printLine(fields(await handle.rpc("attr.get", { name }), { value: "string" }).value);
      });
    });
}

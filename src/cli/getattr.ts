import { Command } from "commander";
import { fields } from "../messages/index.js";
import { printJson, printLine } from "./output.js";
import { withInstance, withUri } from "./session.js";

interface GetattrOptions {
  readonly uri?: string;
  readonly json?: boolean;
}

export function command(): Command {
  return withUri(new Command("getattr"))
    .argument("<attribute>", "attribute")
    .option("--json", "the value as a JSON string")
    .addHelpText("after", "\nExample:\n  sluice getattr size")
    .action(async (name: string, options: GetattrOptions) => {
      await withInstance(options, async (handle) => {
        const { value } = fields(await handle.rpc("attr.get", { name }), { value: "string" });
        if (options.json) printJson(value);
        else printLine(value);
      });
    });
}

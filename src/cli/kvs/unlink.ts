import { Command } from "commander";
import { fields } from "../../messages/index.js";
import { withInstance, withUri } from "../session.js";
import { printJson } from "../terminal/output.js";

interface UnlinkOptions {
  readonly uri?: string;
  readonly json?: boolean;
}

/** `sluice kvs unlink`. */
export function unlinkCommand(): Command {
  return withUri(new Command("unlink"))
    .description("remove keys, and directories with their contents, in one commit")
    .argument("<key...>")
    .option("--json", "print {version}")
    .addHelpText("after", "\nExample:\n  sluice kvs unlink site.racks")
    .action(async (keys: readonly string[], options: UnlinkOptions) => {
      await withInstance(options, async (handle) => {
        const ops = keys.map((key) => ({ key, unlink: true }));
        const response = fields(await handle.rpc("kvs.commit", { ops }), { version: "number" });
        if (options.json) printJson(response);
      });
    });
}
